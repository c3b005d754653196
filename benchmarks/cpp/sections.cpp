// Poincare section of the Roessler flow, one parameter value after the other, with Boost.odeint's steppers.
#include <boost/numeric/odeint.hpp>
#include <array>
#include <cstdint>

namespace odeint = boost::numeric::odeint;
typedef std::array<double, 3> State;

struct Roessler {
    double a, b, c;
    void operator()(const State& s, State& d, double) const {
        d[0] = -s[1] - s[2];
        d[1] = s[0] + a * s[1];
        d[2] = b + s[2] * (s[0] - c);
    }
};

// Length of the step from `s` that ends on y = 0, by Newton's method; `x` is then the state there.
template <class Stepper> static State land(const Roessler& f, const State& s, double h, double y) {
    State x, d;
    double part = h * -s[1] / (y - s[1]);
    for (int i = 0; i < 5; i++) {
        Stepper().do_step(f, s, 0.0, x, part);
        if (std::abs(x[1]) < 1e-14) break;
        f(x, d, 0.0);
        part -= x[1] / d[1];
    }
    return x;
}

template <class Stepper>
static void section(const Roessler& f, State s, double transient, int64_t points, double rtol, double atol,
                    double* out) {
    auto controlled = odeint::make_controlled(atol, rtol, Stepper());
    double t = 0.0, h = 1e-3;
    if (transient > 0) odeint::integrate_adaptive(controlled, f, s, 0.0, transient, h), h = 1e-2;
    for (int64_t found = 0; found < points;) {
        const State before = s;
        const double started = t;
        while (controlled.try_step(f, s, t, h) == odeint::fail) {}
        if (before[1] < 0 && s[1] >= 0) out[found++] = land<Stepper>(f, before, t - started, s[1])[0];
    }
}

// x at the first `points` upward crossings of y = 0 after `transient`, for every c; out is (n, points).
extern "C" void roessler_diagram(int method, int64_t n, const double* parameters, const double* c, const double* x0,
                                 double transient, int64_t points, double rtol, double atol, double* out) {
    using Dopri = odeint::runge_kutta_dopri5<State>;
    using Fehlberg = odeint::runge_kutta_fehlberg78<State>;
    const State s{x0[0], x0[1], x0[2]};
    for (int64_t i = 0; i < n; i++) {
        const Roessler f{parameters[0], parameters[1], c[i]};
        if (method == 0) section<Dopri>(f, s, transient, points, rtol, atol, out + i * points);
        else section<Fehlberg>(f, s, transient, points, rtol, atol, out + i * points);
    }
}
