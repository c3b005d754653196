// Boost.odeint: one trajectory of three variables.
#include <boost/numeric/odeint.hpp>
#include <array>
#include <cstdint>

namespace odeint = boost::numeric::odeint;
typedef std::array<double, 3> State;

struct Lorenz {
    const double *p;
    void operator()(const State& s, State& d, double) const {
        d[0] = p[0] * (s[1] - s[0]);
        d[1] = s[0] * (p[1] - s[2]) - s[1];
        d[2] = s[0] * s[1] - p[2] * s[2];
    }
};

struct Roessler {
    const double *p;
    void operator()(const State& s, State& d, double) const {
        d[0] = -s[1] - s[2];
        d[1] = s[0] + p[0] * s[1];
        d[2] = p[1] + s[2] * (s[0] - p[2]);
    }
};

template <class System>
static void run(System system, int method, const double* x0, double t_end, double rtol, double atol,
                int64_t samples, double* out) {
    State s{x0[0], x0[1], x0[2]};
    using Dopri = odeint::runge_kutta_dopri5<State>;
    using Fehlberg = odeint::runge_kutta_fehlberg78<State>;
    auto dopri = odeint::make_controlled(atol, rtol, Dopri());
    auto fehlberg = odeint::make_controlled(atol, rtol, Fehlberg());
    if (samples == 0) {
        if (method == 0) odeint::integrate_adaptive(dopri, system, s, 0.0, t_end, 1e-3);
        else odeint::integrate_adaptive(fehlberg, system, s, 0.0, t_end, 1e-3);
        for (int i = 0; i < 3; i++) out[i] = s[i];
        return;
    }
    const double spacing = t_end / samples;
    int64_t row = -1;  // the observer is called with the initial state first
    auto keep = [&](const State& x, double) {
        if (row >= 0 && row < samples) for (int i = 0; i < 3; i++) out[3 * row + i] = x[i];
        row++;
    };
    if (method == 0)
        odeint::integrate_n_steps(odeint::make_dense_output(atol, rtol, Dopri()), system, s, 0.0, spacing, samples, keep);
    else
        odeint::integrate_n_steps(fehlberg, system, s, 0.0, spacing, samples, keep);
}

// samples = 0: the final state (3); otherwise `samples` equidistant states (samples, 3), the initial one left out
extern "C" void odeint_run(int system, int method, const double* parameters, const double* x0, double t_end,
                           double rtol, double atol, int64_t samples, double* out) {
    system == 0 ? run(Lorenz{parameters}, method, x0, t_end, rtol, atol, samples, out)
                : run(Roessler{parameters}, method, x0, t_end, rtol, atol, samples, out);
}
