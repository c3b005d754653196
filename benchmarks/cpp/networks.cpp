// Steps of the classical Runge-Kutta method for rate networks with short-term plasticity (full depletion), one excitatory
// and one plastic coupling: dense, with rows of weights, or sparse, with the synapses sorted by the neuron they act on.
#include <cmath>
#include <cstdint>
#include <vector>
#include "lanes.hpp"

namespace {

struct Neurons {
    double a, b, tau_x, U_max, T_u, T_phi;
};

// Two rows' sums at a time would need the vectors twice; eight rows keep the multiply-adds busy.
void rows(const double* w, const double* x, double* out, int64_t n) {
    constexpr int R = 8;
    int64_t i = 0;
    for (; i + R <= n; i += R) {
        V sum[R] = {};
        int64_t j = 0;
        for (; j + LANES <= n; j += LANES) {
            V v;
            std::memcpy(&v, x + j, sizeof v);
            for (int r = 0; r < R; r++) {
                V m;
                std::memcpy(&m, w + (i + r) * n + j, sizeof m);
                sum[r] += m * v;
            }
        }
        for (int r = 0; r < R; r++) {
            double s = 0;
            for (int k = 0; k < LANES; k++) s += sum[r][k];
            for (int64_t k = j; k < n; k++) s += w[(i + r) * n + k] * x[k];
            out[i + r] = s;
        }
    }
    for (; i < n; i++) {
        double s = 0;
        for (int64_t k = 0; k < n; k++) s += w[i * n + k] * x[k];
        out[i] = s;
    }
}

struct Dense {
    const double *w, *z;
    int64_t n;
    void operator()(const double* y, const double* released, double* exc, double* inh) const {
        rows(w, y, exc, n);
        rows(z, released, inh, n);
    }
};

struct Sparse {
    const double* w;
    const int32_t* pre;
    const int64_t* begin;
    int64_t n;
    void operator()(const double*, const double* released, double* exc, double* inh) const {
        for (int64_t i = 0; i < n; i++) {
            double s[4] = {};
            int64_t k = begin[i], end = begin[i + 1];
            for (; k + 4 <= end; k += 4)
                for (int l = 0; l < 4; l++) s[l] += w[k + l] * released[uint32_t(pre[k + l])];
            for (; k < end; k++) s[0] += w[k] * released[uint32_t(pre[k])];
            exc[i] = 0;
            inh[i] = (s[0] + s[1]) + (s[2] + s[3]);
        }
    }
};

template <class Coupling>
void rhs(const Coupling& c, const Neurons& p, const double* s, double* d, double* tmp) {
    const int64_t n = c.n;
    const double *x = s, *u = s + n, *phi = s + 2 * n;
    double *y = tmp, *released = tmp + n, *exc = tmp + 2 * n, *inh = tmp + 3 * n;
    for (int64_t i = 0; i < n; i++) {
        y[i] = 1 / (1 + std::exp(-p.a * (x[i] - p.b)));
        released[i] = u[i] * phi[i] * y[i];
        d[n + i] = (1 + (p.U_max - 1) * y[i] - u[i]) / p.T_u;
        d[2 * n + i] = (1 - u[i] * y[i] / p.U_max - phi[i]) / p.T_phi;
    }
    c(y, released, exc, inh);
    for (int64_t i = 0; i < n; i++) d[i] = (exc[i] + inh[i] - x[i]) / p.tau_x;
}

template <class Coupling>
void rk4(const Coupling& c, const double* numbers, double* s, int64_t steps, double h) {
    const Neurons p{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5]};
    const int64_t n = 3 * c.n;
    std::vector<double> k1(n), k2(n), k3(n), k4(n), t(n), tmp(4 * c.n);
    for (int64_t step = 0; step < steps; step++) {
        rhs(c, p, s, k1.data(), tmp.data());
        for (int64_t i = 0; i < n; i++) t[i] = s[i] + h / 2 * k1[i];
        rhs(c, p, t.data(), k2.data(), tmp.data());
        for (int64_t i = 0; i < n; i++) t[i] = s[i] + h / 2 * k2[i];
        rhs(c, p, t.data(), k3.data(), tmp.data());
        for (int64_t i = 0; i < n; i++) t[i] = s[i] + h * k3[i];
        rhs(c, p, t.data(), k4.data(), tmp.data());
        for (int64_t i = 0; i < n; i++) s[i] += h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
    }
}

}  // namespace

extern "C" void dense(const double* w, const double* z, const double* p, double* s, int64_t n, int64_t steps, double h) {
    rk4(Dense{w, z, n}, p, s, steps, h);
}

extern "C" void sparse(const double* w, const int32_t* pre, const int64_t* begin, const double* p, double* s, int64_t n,
                       int64_t steps, double h) {
    rk4(Sparse{w, pre, begin, n}, p, s, steps, h);
}
