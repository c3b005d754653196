// Ensembles of Lorenz systems, rho differing between members: lanes are members.
#include "lanes.hpp"
#include <algorithm>
#include <limits>

constexpr double SIGMA = 10.0, BETA = 8.0 / 3.0;

template <class T> struct Vec3 { T x, y, z; };

template <class T> INLINE Vec3<T> lorenz(const Vec3<T>& s, T rho) {
    return {SIGMA * (s.y - s.x), s.x * (rho - s.z) - s.y, s.x * s.y - BETA * s.z};
}

// ---- fixed steps: RK4 ------------------------------------------------------------------------------------

template <class T> INLINE Vec3<T> axpy(const Vec3<T>& s, double h, const Vec3<T>& k) {
    return {s.x + h * k.x, s.y + h * k.y, s.z + h * k.z};
}

template <class T> INLINE Vec3<T> rk4(const Vec3<T>& s, T rho, double h) {
    auto k1 = lorenz(s, rho), k2 = lorenz(axpy(s, 0.5 * h, k1), rho);
    auto k3 = lorenz(axpy(s, 0.5 * h, k2), rho), k4 = lorenz(axpy(s, h, k3), rho);
    return axpy(axpy(axpy(axpy(s, h / 6, k1), h / 3, k2), h / 3, k3), h / 6, k4);
}

// U vectors at a time stay in registers for all the steps. `state` is (n, 3), overwritten; n needs no padding.
template <int U> static void rk4_lanes(int64_t n, const double* rho, double* state, double h, int64_t steps) {
    using W = Wide<1>;
    constexpr int B = U * LANES;
    for (int64_t first = 0; first < n; first += B) {
        double x[B], y[B], z[B], r[B];
        for (int i = 0; i < B; i++) {
            int64_t m = std::min(first + i, n - 1);
            x[i] = state[3 * m], y[i] = state[3 * m + 1], z[i] = state[3 * m + 2], r[i] = rho[m];
        }
        Vec3<W> s[U];
        W p[U];
        EACH s[u] = {W::load(x + u * LANES), W::load(y + u * LANES), W::load(z + u * LANES)}, p[u] = W::load(r + u * LANES);
        for (int64_t step = 0; step < steps; step++) EACH s[u] = rk4(s[u], p[u], h);
        EACH s[u].x.store(x + u * LANES), s[u].y.store(y + u * LANES), s[u].z.store(z + u * LANES);
        for (int i = 0; i < B && first + i < n; i++) {
            int64_t m = first + i;
            state[3 * m] = x[i], state[3 * m + 1] = y[i], state[3 * m + 2] = z[i];
        }
    }
}

extern "C" void lorenz_rk4(int vectors, int64_t n, const double* rho, double* state, double h, int64_t steps) {
    switch (vectors) {
        case 1: return rk4_lanes<1>(n, rho, state, h, steps);
        case 2: return rk4_lanes<2>(n, rho, state, h, steps);
        case 3: return rk4_lanes<3>(n, rho, state, h, steps);
        case 4: return rk4_lanes<4>(n, rho, state, h, steps);
        default: return rk4_lanes<8>(n, rho, state, h, steps);
    }
}

// ---- adaptive steps: embedded pairs of order 5(4), seven stages, first same as last -----------------------

struct Dopri5 {  // Dormand, Prince 1980
    static constexpr double a[7][7] = {
        {},
        {1. / 5},
        {3. / 40, 9. / 40},
        {44. / 45, -56. / 15, 32. / 9},
        {19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
        {9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
        {35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84}};
    static constexpr double e[7] = {71. / 57600, 0, -71. / 16695, 71. / 1920, -17253. / 339200, 22. / 525, -1. / 40};
};

struct Tsit5 {  // Tsitouras 2011
    static constexpr double a[7][7] = {
        {},
        {0.161},
        {-0.008480655492356989, 0.335480655492357},
        {2.8971530571054935, -6.359448489975075, 4.3622954328695815},
        {5.325864828439257, -11.748883564062828, 7.4955393428898365, -0.09249506636175525},
        {5.86145544294642, -12.92096931784711, 8.159367898576159, -0.071584973281401, -0.028269050394068383},
        {0.09646076681806523, 0.01, 0.4798896504144996, 1.379008574103742, -3.290069515436081, 2.324710524099774}};
    static constexpr double e[7] = {-0.00178001105222577714, -0.0008164344596567469, 0.007880878010261995,
                                    -0.1447110071732629, 0.5823571654525552, -0.45808210592918697, 1. / 66};
};

// x += the sum of coefficient * k over the stages whose coefficient is not zero (row 7: the error estimate)
template <class P, int ROW, class W, int J = 0> INLINE void combine(Vec3<W>& r, const Vec3<W>* k) {
    if constexpr (J < ROW) {
        constexpr double c = ROW == 7 ? P::e[J] : P::a[ROW % 7][J];
        if constexpr (J == 0) r = {c * k[J].x, c * k[J].y, c * k[J].z};
        else if constexpr (c != 0) r = {r.x + c * k[J].x, r.y + c * k[J].y, r.z + c * k[J].z};
        combine<P, ROW, W, J + 1>(r, k);
    }
}

template <class P, int ROW, class W> INLINE Vec3<W> stage(const Vec3<W>& s, W h, const Vec3<W>* k) {
    Vec3<W> r;
    combine<P, ROW>(r, k);
    return {s.x + h * r.x, s.y + h * r.y, s.z + h * r.z};
}

template <class W> INLINE W larger(W a, W b) { return max(abs(a), abs(b)); }

// Each lane has its own step size; a lane that arrives is given the next member. Returns accepted + rejected.
template <class P, int U>
static int64_t adaptive(int64_t n, const double* rho, const double* x0, double t_end, double rtol, double atol,
                        double* out) {
    using W = Wide<U>;
    constexpr int GROUPS = 4;
    struct Block { Vec3<W> s, k; W t, h, rho; };
    Block block[GROUPS];
    int64_t id[GROUPS][W::size], next = 0, active[GROUPS] = {}, running = 0, tried = 0;
    const double never = -std::numeric_limits<double>::max();

    auto refill = [&](int g, int i) __attribute__((noinline)) {
        bool some = next < n;
        double r = some ? rho[next] : 1.0;
        auto k = lorenz(Vec3<double>{x0[0], x0[1], x0[2]}, r);
        Block& b = block[g];
        const double values[9] = {x0[0], x0[1], x0[2], k.x, k.y, k.z, some ? 0.0 : never, 1e-3, r};
        W* slots[9] = {&b.s.x, &b.s.y, &b.s.z, &b.k.x, &b.k.y, &b.k.z, &b.t, &b.h, &b.rho};
        for (int j = 0; j < 9; j++) ((double*)slots[j])[i] = values[j];
        id[g][i] = some ? next : -1;
        if (some) next++, active[g]++, running++;
    };
    for (int g = 0; g < GROUPS; g++)
        for (int i = 0; i < W::size; i++) refill(g, i);

    while (running) {
        for (int g = 0; g < GROUPS; g++) {
            if (!active[g]) continue;
            tried += active[g];
            Block& b = block[g];
            const Vec3<W> s0 = b.s;
            const W rho = b.rho;
            Vec3<W> k[7];
            k[0] = b.k;
            const W left = t_end - b.t;
            const auto last = b.h >= left;
            const W h = min(left, b.h);
            k[1] = lorenz(stage<P, 1>(s0, h, k), rho);
            k[2] = lorenz(stage<P, 2>(s0, h, k), rho);
            k[3] = lorenz(stage<P, 3>(s0, h, k), rho);
            k[4] = lorenz(stage<P, 4>(s0, h, k), rho);
            k[5] = lorenz(stage<P, 5>(s0, h, k), rho);
            const Vec3<W> s = stage<P, 6>(s0, h, k);
            k[6] = lorenz(s, rho);
            Vec3<W> e;
            combine<P, 7>(e, k);
            const W sx = larger(s.x, s0.x) * rtol + atol, sy = larger(s.y, s0.y) * rtol + atol;
            const W sz = larger(s.z, s0.z) * rtol + atol;
            // the mean square of error / tolerance, with one division for the three
            const W xy = sx * sy, x = e.x * (sy * sz), y = e.y * (sx * sz), z = e.z * xy, d = xy * sz;
            const W error = h * h * (x * x + y * y + z * z) / (3.0 * d * d);
            const auto ok = error < W(1.0);
            const W factor = 0.9 * inverse_tenth_root(max(error, W(1e-12)));
            b.h = h * min(max(factor, W(0.2)), W(10.0));
            const W t = select(ok, select(last, W(t_end), b.t + h), b.t);
            b.t = t;
            b.s = {select(ok, s.x, s0.x), select(ok, s.y, s0.y), select(ok, s.z, s0.z)};
            b.k = {select(ok, k[6].x, k[0].x), select(ok, k[6].y, k[0].y), select(ok, k[6].z, k[0].z)};
            for (uint64_t done = bits(t >= W(t_end)); done; done &= done - 1) {
                int i = __builtin_ctzll(done);
                double* o = out + 3 * id[g][i];
                o[0] = ((double*)&b.s.x)[i], o[1] = ((double*)&b.s.y)[i], o[2] = ((double*)&b.s.z)[i];
                active[g]--, running--;
                refill(g, i);
            }
        }
    }
    return tried;
}

extern "C" int64_t lorenz_adaptive(int pair, int64_t n, const double* rho, const double* x0, double t_end,
                                   double rtol, double atol, double* out) {
    return pair == 0 ? adaptive<Dopri5, 2>(n, rho, x0, t_end, rtol, atol, out)
                     : adaptive<Tsit5, 2>(n, rho, x0, t_end, rtol, atol, out);
}
