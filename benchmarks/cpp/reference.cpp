// References in extended precision: Taylor series of order 24 in long double, steps small enough that the
// truncation error is below the rounding error. Nothing here is shared with the contenders.
#include <cmath>
#include <cstdint>

typedef long double L;
constexpr int ORDER = 24;

struct Lorenz {
    static constexpr L step = 0.02L;
    // p = sigma, rho, beta; c[i] holds the Taylor coefficients of component i
    static void series(const L* p, L c[3][ORDER + 1]) {
        for (int n = 0; n < ORDER; n++) {
            L xz = 0, xy = 0;
            for (int j = 0; j <= n; j++) xz += c[0][j] * c[2][n - j], xy += c[0][j] * c[1][n - j];
            c[0][n + 1] = p[0] * (c[1][n] - c[0][n]) / (n + 1);
            c[1][n + 1] = (p[1] * c[0][n] - xz - c[1][n]) / (n + 1);
            c[2][n + 1] = (xy - p[2] * c[2][n]) / (n + 1);
        }
    }
};

struct Roessler {
    static constexpr L step = 0.05L;
    // p = a, b, c
    static void series(const L* p, L c[3][ORDER + 1]) {
        for (int n = 0; n < ORDER; n++) {
            L xz = 0;
            for (int j = 0; j <= n; j++) xz += c[0][j] * c[2][n - j];
            c[0][n + 1] = (-c[1][n] - c[2][n]) / (n + 1);
            c[1][n + 1] = (c[0][n] + p[0] * c[1][n]) / (n + 1);
            c[2][n + 1] = ((n == 0 ? p[1] : 0) + xz - p[2] * c[2][n]) / (n + 1);
        }
    }
};

static L horner(const L* c, L h) {
    L r = c[ORDER];
    for (int n = ORDER - 1; n >= 0; n--) r = r * h + c[n];
    return r;
}

// The state at t = spacing, 2 spacing, ..., samples * spacing; out is (samples, 3).
template <class S> static void trajectory(const double* parameters, const double* x0, double spacing,
                                          int64_t samples, double* out) {
    L p[3], c[3][ORDER + 1];
    for (int i = 0; i < 3; i++) p[i] = parameters[i], c[i][0] = x0[i];
    const int64_t parts = std::ceil(spacing / (double)S::step);
    const L h = L(spacing) / parts;
    for (int64_t s = 0; s < samples; s++) {
        for (int64_t part = 0; part < parts; part++) {
            S::series(p, c);
            for (int i = 0; i < 3; i++) c[i][0] = horner(c[i], h);
        }
        for (int i = 0; i < 3; i++) out[3 * s + i] = c[i][0];
    }
}

extern "C" void reference(int system, const double* parameters, const double* x0, double spacing, int64_t samples,
                          double* out) {
    system == 0 ? trajectory<Lorenz>(parameters, x0, spacing, samples, out)
                : trajectory<Roessler>(parameters, x0, spacing, samples, out);
}

// x at the first `count` upward crossings of y = 0 of the Roessler flow
extern "C" void reference_crossings(const double* parameters, const double* x0, int64_t count, double* out) {
    L p[3], c[3][ORDER + 1];
    for (int i = 0; i < 3; i++) p[i] = parameters[i], c[i][0] = x0[i];
    for (int64_t found = 0; found < count;) {
        Roessler::series(p, c);
        L before = c[1][0], after = horner(c[1], Roessler::step);
        if (before < 0 && after >= 0) {
            L low = 0, high = Roessler::step;
            for (int i = 0; i < 70; i++) {
                L middle = 0.5L * (low + high);
                (horner(c[1], middle) < 0 ? low : high) = middle;
            }
            out[found++] = horner(c[0], high);
        }
        for (int i = 0; i < 3; i++) c[i][0] = horner(c[i], Roessler::step);
    }
}
