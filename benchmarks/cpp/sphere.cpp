// The sphere robot on soft ground: its right-hand side written out by hand, one member after the other.
#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

enum { R = 0, Q = 3, V = 7, W = 10, S = 13, SDOT = 16, X = 19, U = 22, PHI = 25, N = 28 };

struct Parameters {
    double R0, M, m, I_t, L, K_P, K_D, psi, g, k_p, k_d, delta0, sigma, mu, w0, z0, Gamma, a, b, U_max, T_u, T_phi;
};

inline double clip(double v, double low, double high) { return std::min(std::max(v, low), high); }

inline void right_hand_side(const double* s, const Parameters& p, double* f) {
    double force[3], y[3], released[3], total = 0;
    for (int i = 0; i < 3; ++i) {
        y[i] = 1 / (1 + std::exp(-p.a * (s[X + i] - p.b)));
        released[i] = s[U + i] * s[PHI + i] * y[i];
        total += released[i];
    }
    for (int i = 0; i < 3; ++i) {
        double sensed = -s[S + i] / p.L;
        double dx = -p.Gamma * s[X + i] + p.w0 * (sensed / 2 + 0.5) + p.z0 * (total - released[i]);
        f[X + i] = dx;
        f[U + i] = (1 + (p.U_max - 1) * y[i] - s[U + i]) / p.T_u;
        f[PHI + i] = (1 - s[U + i] * y[i] / p.U_max - s[PHI + i]) / p.T_phi;
        double error = p.L * (2 * y[i] - 1) + s[S + i];
        double rate = p.L * 2 * p.a * y[i] * (1 - y[i]) * dx + s[SDOT + i];
        force[i] = -clip(p.K_P * (error + clip(p.K_D * rate, -0.9, 0.9)), -p.K_P, p.K_P);
    }
    double qw = s[Q], qx = s[Q + 1], qy = s[Q + 2], qz = s[Q + 3];
    double norm = qw * qw + qx * qx + qy * qy + qz * qz, d = 2 / norm;
    double rot[3][3] = {{1 - d * (qy * qy + qz * qz), d * (qx * qy - qw * qz), d * (qx * qz + qw * qy)},
                        {d * (qx * qy + qw * qz), 1 - d * (qx * qx + qz * qz), d * (qy * qz - qw * qx)},
                        {d * (qx * qz - qw * qy), d * (qy * qz + qw * qx), 1 - d * (qx * qx + qy * qy)}};
    const double* up = rot[2];
    double w[3];
    for (int i = 0; i < 3; ++i) w[i] = rot[0][i] * s[W] + rot[1][i] * s[W + 1] + rot[2][i] * s[W + 2];
    double ww = w[0] * w[0] + w[1] * w[1] + w[2] * w[2];
    double b[3][3];
    for (int k = 0; k < 3; ++k)
        for (int i = 0; i < 3; ++i) b[k][i] = s[S + k] * w[k] * w[i] + p.g * up[i];
    for (int k = 0; k < 3; ++k) {
        int i = (k + 1) % 3, j = (k + 2) % 3;
        b[k][k] -= s[S + k] * ww;
        b[k][i] += 2 * s[SDOT + k] * w[j];
        b[k][j] -= 2 * s[SDOT + k] * w[i];
    }
    double depth = p.R0 - s[R + 2], normal = 0;
    if (depth > 0) normal = std::max(0.0, p.k_p * (depth - p.delta0) - p.k_d * s[V + 2]);
    double F[3] = {clip(-(s[V] - p.R0 * s[W + 1]) / p.sigma, -p.mu * normal, p.mu * normal),
                   clip(-(s[V + 1] + p.R0 * s[W]) / p.sigma, -p.mu * normal, p.mu * normal), normal};
    double push[3], torque[3];
    for (int i = 0; i < 3; ++i) {
        push[i] = rot[0][i] * F[0] + rot[1][i] * F[1] + rot[2][i] * F[2] - p.M * p.g * up[i] - force[i] -
                  p.m * (b[0][i] + b[1][i] + b[2][i] - b[i][i]);
        torque[i] = p.R0 * (rot[0][i] * F[1] - rot[1][i] * F[0]) - p.psi * w[i];
    }
    const double* r = s + S;
    torque[0] -= p.m * (r[1] * b[1][2] - r[2] * b[2][1]);
    torque[1] -= p.m * (r[2] * b[2][0] - r[0] * b[0][2]);
    torque[2] -= p.m * (r[0] * b[0][1] - r[1] * b[1][0]);
    double M_l = p.M + 2 * p.m, c = p.m * p.m / M_l, S2 = r[0] * r[0] + r[1] * r[1] + r[2] * r[2];
    double J00 = p.I_t + (p.m - c) * (S2 - r[0] * r[0]), J11 = p.I_t + (p.m - c) * (S2 - r[1] * r[1]);
    double J22 = p.I_t + (p.m - c) * (S2 - r[2] * r[2]);
    double J01 = c * r[0] * r[1], J02 = c * r[0] * r[2], J12 = c * r[1] * r[2];
    double e = p.m / M_l;
    double n0 = torque[0] - e * (r[1] * push[2] - r[2] * push[1]);
    double n1 = torque[1] - e * (r[2] * push[0] - r[0] * push[2]);
    double n2 = torque[2] - e * (r[0] * push[1] - r[1] * push[0]);
    double c00 = J11 * J22 - J12 * J12, c01 = J02 * J12 - J01 * J22, c02 = J01 * J12 - J02 * J11;
    double c11 = J00 * J22 - J02 * J02, c12 = J01 * J02 - J00 * J12, c22 = J00 * J11 - J01 * J01;
    double det = 1 / (J00 * c00 + J01 * c01 + J02 * c02);
    double dw[3] = {(c00 * n0 + c01 * n1 + c02 * n2) * det, (c01 * n0 + c11 * n1 + c12 * n2) * det,
                    (c02 * n0 + c12 * n1 + c22 * n2) * det};
    double A[3] = {(push[0] + p.m * (r[1] * dw[2] - r[2] * dw[1])) / M_l,
                   (push[1] + p.m * (r[2] * dw[0] - r[0] * dw[2])) / M_l,
                   (push[2] + p.m * (r[0] * dw[1] - r[1] * dw[0])) / M_l};
    for (int i = 0; i < 3; ++i) {
        f[R + i] = s[V + i];
        f[V + i] = rot[i][0] * A[0] + rot[i][1] * A[1] + rot[i][2] * A[2];
        f[W + i] = rot[i][0] * dw[0] + rot[i][1] * dw[1] + rot[i][2] * dw[2];
        f[S + i] = s[SDOT + i];
        f[SDOT + i] = force[i] / p.m - b[i][i] - A[i];
    }
    double ox = s[W], oy = s[W + 1], oz = s[W + 2], mend = 1 - norm;
    f[Q] = -0.5 * (ox * qx + oy * qy + oz * qz) + mend * qw;
    f[Q + 1] = 0.5 * (qw * ox + oy * qz - oz * qy) + mend * qx;
    f[Q + 2] = 0.5 * (qw * oy + oz * qx - ox * qz) + mend * qy;
    f[Q + 3] = 0.5 * (qw * oz + ox * qy - oy * qx) + mend * qz;
}

}  // namespace

// Advance `members` states (members, 28) by `steps` steps of RK4; the parameters (members, 22) as in the struct.
extern "C" void sphere(int64_t members, const double* parameters, double* states, int64_t steps, double dt) {
    for (int64_t member = 0; member < members; ++member) {
        const Parameters p = reinterpret_cast<const Parameters*>(parameters)[member];
        double* y = states + member * N;
        double k1[N], k2[N], k3[N], k4[N], z[N];
        for (int64_t step = 0; step < steps; ++step) {
            right_hand_side(y, p, k1);
            for (int i = 0; i < N; ++i) z[i] = y[i] + dt / 2 * k1[i];
            right_hand_side(z, p, k2);
            for (int i = 0; i < N; ++i) z[i] = y[i] + dt / 2 * k2[i];
            right_hand_side(z, p, k3);
            for (int i = 0; i < N; ++i) z[i] = y[i] + dt * k3[i];
            right_hand_side(z, p, k4);
            for (int i = 0; i < N; ++i) y[i] += dt / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
        }
    }
}
