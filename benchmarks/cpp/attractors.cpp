// Lyapunov spectra and basins by classical Runge-Kutta steps: what a careful programmer writes by hand.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int W = 32;  // lanes

template <class Rhs, int N>
inline void rk4(Rhs rhs, double (&y)[N], double t, double h) {
    double a[N], b[N], c[N], d[N], z[N];
    rhs(t, y, a);
    for (int i = 0; i < N; i++) z[i] = y[i] + h / 2 * a[i];
    rhs(t + h / 2, z, b);
    for (int i = 0; i < N; i++) z[i] = y[i] + h / 2 * b[i];
    rhs(t + h / 2, z, c);
    for (int i = 0; i < N; i++) z[i] = y[i] + h * c[i];
    rhs(t + h, z, d);
    for (int i = 0; i < N; i++) y[i] += h / 6 * (a[i] + 2 * b[i] + 2 * c[i] + d[i]);
}

// Positions and velocities of W members at a time; force(t, y, dy) for all lanes. A look comes after ``steps`` steps, a
// whole number of periods; a lane whose member has been near the same attractor at two looks takes the next member.
template <class Force, int D>
void basins(Force force, int64_t count, const double* starts, double h, int64_t steps, int64_t looks, int64_t attractors,
            const double* points, double near, double* basin) {
    constexpr int N = 2 * D;
    alignas(64) double y[N][W], z[N][W], k[N][W], s[N][W];
    double seen[W];
    int64_t member[W], left[W], next = 0, open = 0;
    auto take = [&](int l) {
        member[l] = next < count ? next : -1;
        const double* start = starts + (next < count ? next : 0) * N;
        for (int i = 0; i < N; i++) y[i][l] = start[i];
        seen[l] = -1, left[l] = looks, open += next < count, next++;
    };
    auto slope = [&](double t, double (*from)[W], double (*to)[W]) {
        for (int i = 0; i < D; i++)
            for (int l = 0; l < W; l++) to[i][l] = from[D + i][l];
        force(t, from, to);
    };
    for (int l = 0; l < W; l++) take(l);
    while (open) {
        double t = 0;
        for (int64_t step = 0; step < steps; step++, t += h) {
            slope(t, y, k);
            for (int i = 0; i < N; i++)
                for (int l = 0; l < W; l++) s[i][l] = k[i][l], z[i][l] = y[i][l] + h / 2 * k[i][l];
            slope(t + h / 2, z, k);
            for (int i = 0; i < N; i++)
                for (int l = 0; l < W; l++) s[i][l] += 2 * k[i][l], z[i][l] = y[i][l] + h / 2 * k[i][l];
            slope(t + h / 2, z, k);
            for (int i = 0; i < N; i++)
                for (int l = 0; l < W; l++) s[i][l] += 2 * k[i][l], z[i][l] = y[i][l] + h * k[i][l];
            slope(t + h, z, k);
            for (int i = 0; i < N; i++)
                for (int l = 0; l < W; l++) y[i][l] += h / 6 * (s[i][l] + k[i][l]);
        }
        for (int l = 0; l < W; l++) {
            if (member[l] < 0) continue;
            double now = -1;
            for (int64_t a = 0; a < attractors && now < 0; a++) {
                bool in = true;
                for (int i = 0; i < N; i++) in = in && std::fabs(y[i][l] - points[a * N + i]) <= near;
                if (in) now = a;
            }
            if ((now >= 0 && now == seen[l]) || --left[l] == 0) {
                basin[member[l]] = now, open--;
                take(l);
            } else {
                seen[l] = now;
            }
        }
    }
}

}  // namespace

extern "C" {

// Spectrum of the Lorenz system with its variational equations; sums of logarithms in out[3].
void lorenz_spectrum(double h, int64_t rounds, int64_t every, double* out) {
    double y[12] = {1, 1, 20, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    const double sigma = 10, rho = 28, beta = 8.0 / 3;
    auto rhs = [=](double, const double (&u)[12], double (&f)[12]) {
        f[0] = sigma * (u[1] - u[0]), f[1] = u[0] * (rho - u[2]) - u[1], f[2] = u[0] * u[1] - beta * u[2];
        for (int k = 3; k < 12; k += 3) {
            f[k] = sigma * (u[k + 1] - u[k]);
            f[k + 1] = (rho - u[2]) * u[k] - u[k + 1] - u[0] * u[k + 2];
            f[k + 2] = u[1] * u[k] + u[0] * u[k + 1] - beta * u[k + 2];
        }
    };
    out[0] = out[1] = out[2] = 0;
    for (int64_t r = 0; r < rounds; r++) {
        for (int64_t s = 0; s < every; s++) rk4(rhs, y, 0, h);
        for (int i = 0; i < 3; i++) {
            double* v = y + 3 + 3 * i;
            double square = v[0] * v[0] + v[1] * v[1] + v[2] * v[2], scale = 1 / std::sqrt(square);
            out[i] += 0.5 * std::log(square);
            for (int j = 0; j < 3; j++) v[j] *= scale;
            for (int m = i + 1; m < 3; m++) {
                double* w = y + 3 + 3 * m;
                double part = v[0] * w[0] + v[1] * w[1] + v[2] * w[2];
                for (int j = 0; j < 3; j++) w[j] -= part * v[j];
            }
        }
    }
}

// Full spectrum of Lorenz 1996 with 40 places, without a matrix: vectors are the last axis.
void lorenz96_spectrum(double h, int64_t rounds, int64_t every, double forcing, double* out) {
    constexpr int n = 40, K = 40;
    static double y[n], z[n], a[n], s[n];
    alignas(64) static double v[n][K], u[n][K], b[n][K], q[n][K];
    for (int i = 0; i < n; i++) {
        y[i] = forcing + (i == 0 ? 0.01 : 0);
        for (int k = 0; k < K; k++) v[i][k] = i == k;
    }
    auto slope = [&](const double* x, const double (*w)[K], double* f, double (*g)[K]) {
        for (int i = 0; i < n; i++) {
            const int up = (i + 1) % n, one = (i + n - 1) % n, two = (i + n - 2) % n;
            f[i] = (x[up] - x[two]) * x[one] - x[i] + forcing;
            const double left = x[one], both = x[up] - x[two];
            for (int k = 0; k < K; k++) g[i][k] = (w[up][k] - w[two][k]) * left + both * w[one][k] - w[i][k];
        }
    };
    auto stage = [&](double weight, double part) {
        for (int i = 0; i < n; i++) {
            s[i] += weight * a[i], z[i] = y[i] + part * a[i];
            for (int k = 0; k < K; k++) q[i][k] += weight * b[i][k], u[i][k] = v[i][k] + part * b[i][k];
        }
    };
    for (int k = 0; k < K; k++) out[k] = 0;
    for (int64_t r = 0; r < rounds; r++) {
        for (int64_t e = 0; e < every; e++) {
            std::memset(s, 0, sizeof s), std::memset(q, 0, sizeof q);
            slope(y, v, a, b), stage(1, h / 2);
            slope(z, u, a, b), stage(2, h / 2);
            slope(z, u, a, b), stage(2, h);
            slope(z, u, a, b), stage(1, 0);
            for (int i = 0; i < n; i++) {
                y[i] += h / 6 * s[i];
                for (int k = 0; k < K; k++) v[i][k] += h / 6 * q[i][k];
            }
        }
        double parts[K];
        for (int k = 0; k < K; k++) {
            double square = 0;
            for (int i = 0; i < n; i++) square += v[i][k] * v[i][k];
            out[k] += 0.5 * std::log(square);
            const double scale = 1 / std::sqrt(square);
            for (int m = k + 1; m < K; m++) parts[m] = 0;
            for (int i = 0; i < n; i++) {
                v[i][k] *= scale;
                for (int m = k + 1; m < K; m++) parts[m] += v[i][k] * v[i][m];
            }
            for (int i = 0; i < n; i++)
                for (int m = k + 1; m < K; m++) v[i][m] -= v[i][k] * parts[m];
        }
    }
}

void duffing_basins(int64_t count, const double* starts, double damping, double force, double omega, double h,
                    int64_t steps, int64_t pieces, int64_t attractors, const double* points, double near, double* basin) {
    auto push = [=](double t, double (*from)[W], double (*to)[W]) {
        const double drive = force * std::cos(omega * t);
        for (int l = 0; l < W; l++) {
            const double x = from[0][l];
            to[1][l] = x - x * x * x - damping * from[1][l] + drive;
        }
    };
    basins<decltype(push), 1>(push, count, starts, h, steps, pieces, attractors, points, near, basin);
}

void pendulum_basins(int64_t count, const double* starts, double damping, double spring, double height, double h,
                     int64_t steps, int64_t pieces, int64_t attractors, const double* points, double near, double* basin) {
    const double mx[3] = {1, -0.5, -0.5}, my[3] = {0, std::sqrt(0.75), -std::sqrt(0.75)};
    auto push = [=](double, double (*from)[W], double (*to)[W]) {
        for (int l = 0; l < W; l++) {
            const double x = from[0][l], y = from[1][l];
            double ax = -spring * x - damping * from[2][l], ay = -spring * y - damping * from[3][l];
            for (int m = 0; m < 3; m++) {
                const double dx = mx[m] - x, dy = my[m] - y;
                const double square = dx * dx + dy * dy + height * height, pull = 1 / (square * std::sqrt(square));
                ax += dx * pull, ay += dy * pull;
            }
            to[2][l] = ax, to[3][l] = ay;
        }
    };
    basins<decltype(push), 2>(push, count, starts, h, steps, pieces, attractors, points, near, basin);
}

// Largest exponent of the Chialvo map over a grid of b (rows) and k.
void chialvo_diagram(int64_t rows, int64_t columns, const double* b, const double* k, int64_t transient, int64_t rounds,
                     int64_t every, double* out) {
    const double a = 0.89, c = 0.28;
    for (int64_t first = 0; first < rows * columns; first += W) {
        double x[W], y[W], u[W], v[W], sum[W], own_b[W], own_k[W];
        for (int l = 0; l < W; l++) {
            const int64_t place = first + l < rows * columns ? first + l : rows * columns - 1;
            x[l] = y[l] = 0.1, u[l] = 0.8, v[l] = 0.6, sum[l] = 0;
            own_b[l] = b[place / columns], own_k[l] = k[place % columns];
        }
        auto iterate = [&](bool vectors) {
            for (int l = 0; l < W; l++) {
                const double e = std::exp(y[l] - x[l]);
                if (vectors) {
                    const double nu = e * x[l] * ((2 - x[l]) * u[l] + x[l] * v[l]);
                    v[l] = a * v[l] - own_b[l] * u[l], u[l] = nu;
                }
                const double nx = x[l] * x[l] * e + own_k[l];
                y[l] = a * y[l] - own_b[l] * x[l] + c, x[l] = nx;
            }
        };
        for (int64_t i = 0; i < transient; i++) iterate(false);
        for (int64_t r = 0; r < rounds; r++) {
            for (int64_t i = 0; i < every; i++) iterate(true);
            for (int l = 0; l < W; l++) {
                const double square = u[l] * u[l] + v[l] * v[l], scale = 1 / std::sqrt(square);
                sum[l] += 0.5 * std::log(square), u[l] *= scale, v[l] *= scale;
            }
        }
        for (int l = 0; l < W && first + l < rows * columns; l++) out[first + l] = sum[l] / (rounds * every);
    }
}
}
