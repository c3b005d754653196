// The logistic map for many parameters: lanes are parameters, the transient stays in registers.
#include "lanes.hpp"
#include <algorithm>

// The `points` iterates after `transient` ones; out is (points, n).
template <int U> static void logistic(int64_t n, const double* r, double x0, int64_t transient, int64_t points,
                                      double* out) {
    using W = Wide<U>;
    for (int64_t first = 0; first < n; first += W::size) {
        double buffer[W::size];
        for (int i = 0; i < W::size; i++) buffer[i] = r[std::min(first + i, n - 1)];
        const W p = W::load(buffer);
        W x = x0;
        for (int64_t k = 0; k < transient; k++) x = p * x * (1.0 - x);
        for (int64_t k = 0; k < points; k++) {
            x = p * x * (1.0 - x);
            double* row = out + k * n + first;
            if (first + W::size <= n) x.store(row);
            else x.store(buffer), std::copy(buffer, buffer + (n - first), row);
        }
    }
}

extern "C" void logistic_diagram(int vectors, int64_t n, const double* r, double x0, int64_t transient,
                                 int64_t points, double* out) {
    switch (vectors) {
        case 1: return logistic<1>(n, r, x0, transient, points, out);
        case 2: return logistic<2>(n, r, x0, transient, points, out);
        case 4: return logistic<4>(n, r, x0, transient, points, out);
        default: return logistic<8>(n, r, x0, transient, points, out);
    }
}
