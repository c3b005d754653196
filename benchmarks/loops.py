"""The usual numba code: one function that integrates one trajectory, called in a loop over trajectories."""

from __future__ import annotations

import numpy as np
from numba import njit

SIGMA, BETA = 10.0, 8 / 3


@njit
def lorenz(x, y, z, rho):
    return SIGMA * (y - x), x * (rho - z) - y, x * y - BETA * z


@njit
def rk4(rho, x, y, z, h, steps):
    for _ in range(steps):
        a, b, c = lorenz(x, y, z, rho)
        d, e, f = lorenz(x + h / 2 * a, y + h / 2 * b, z + h / 2 * c, rho)
        i, j, k = lorenz(x + h / 2 * d, y + h / 2 * e, z + h / 2 * f, rho)
        u, v, w = lorenz(x + h * i, y + h * j, z + h * k, rho)
        x += h / 6 * (a + 2 * d + 2 * i + u)
        y += h / 6 * (b + 2 * e + 2 * j + v)
        z += h / 6 * (c + 2 * f + 2 * k + w)
    return x, y, z


@njit
def rk4_ensemble(rho, x0, h, steps, out):
    for m in range(len(rho)):
        out[m] = rk4(rho[m], x0[0], x0[1], x0[2], h, steps)


@njit
def lorenz_into(s, rho, d):
    d[0] = SIGMA * (s[1] - s[0])
    d[1] = s[0] * (rho - s[2]) - s[1]
    d[2] = s[0] * s[1] - BETA * s[2]


@njit
def rk4_ensemble_arrays(rho, x0, h, steps, out):
    k1, k2, k3, k4 = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for m in range(len(rho)):
        s = x0.copy()
        for _ in range(steps):
            lorenz_into(s, rho[m], k1)
            lorenz_into(s + h / 2 * k1, rho[m], k2)
            lorenz_into(s + h / 2 * k2, rho[m], k3)
            lorenz_into(s + h * k3, rho[m], k4)
            s += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        out[m] = s


@njit
def dopri5(rho, x, y, z, t_end, rtol, atol):
    t, h = 0.0, 1e-3
    a1, b1, c1 = lorenz(x, y, z, rho)
    while t < t_end:
        h = min(h, t_end - t)
        a2, b2, c2 = lorenz(x + h * a1 / 5, y + h * b1 / 5, z + h * c1 / 5, rho)
        a3, b3, c3 = lorenz(
            x + h * (3 / 40 * a1 + 9 / 40 * a2),
            y + h * (3 / 40 * b1 + 9 / 40 * b2),
            z + h * (3 / 40 * c1 + 9 / 40 * c2),
            rho,
        )
        a4, b4, c4 = lorenz(
            x + h * (44 / 45 * a1 - 56 / 15 * a2 + 32 / 9 * a3),
            y + h * (44 / 45 * b1 - 56 / 15 * b2 + 32 / 9 * b3),
            z + h * (44 / 45 * c1 - 56 / 15 * c2 + 32 / 9 * c3),
            rho,
        )
        r1, r2, r3, r4 = 19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729
        a5, b5, c5 = lorenz(
            x + h * (r1 * a1 + r2 * a2 + r3 * a3 + r4 * a4),
            y + h * (r1 * b1 + r2 * b2 + r3 * b3 + r4 * b4),
            z + h * (r1 * c1 + r2 * c2 + r3 * c3 + r4 * c4),
            rho,
        )
        r1, r2, r3, r4, r5 = 9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656
        a6, b6, c6 = lorenz(
            x + h * (r1 * a1 + r2 * a2 + r3 * a3 + r4 * a4 + r5 * a5),
            y + h * (r1 * b1 + r2 * b2 + r3 * b3 + r4 * b4 + r5 * b5),
            z + h * (r1 * c1 + r2 * c2 + r3 * c3 + r4 * c4 + r5 * c5),
            rho,
        )
        r1, r3, r4, r5, r6 = 35 / 384, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84
        xn = x + h * (r1 * a1 + r3 * a3 + r4 * a4 + r5 * a5 + r6 * a6)
        yn = y + h * (r1 * b1 + r3 * b3 + r4 * b4 + r5 * b5 + r6 * b6)
        zn = z + h * (r1 * c1 + r3 * c3 + r4 * c4 + r5 * c5 + r6 * c6)
        a7, b7, c7 = lorenz(xn, yn, zn, rho)
        r1, r3, r4, r5, r6, r7 = 71 / 57600, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40
        ex = h * (r1 * a1 + r3 * a3 + r4 * a4 + r5 * a5 + r6 * a6 + r7 * a7)
        ey = h * (r1 * b1 + r3 * b3 + r4 * b4 + r5 * b5 + r6 * b6 + r7 * b7)
        ez = h * (r1 * c1 + r3 * c3 + r4 * c4 + r5 * c5 + r6 * c6 + r7 * c7)
        ex /= atol + rtol * max(abs(x), abs(xn))
        ey /= atol + rtol * max(abs(y), abs(yn))
        ez /= atol + rtol * max(abs(z), abs(zn))
        error = (ex * ex + ey * ey + ez * ez) / 3
        if error < 1:
            t += h
            x, y, z, a1, b1, c1 = xn, yn, zn, a7, b7, c7
        h *= min(10.0, max(0.2, 0.9 * max(error, 1e-12) ** -0.1))
    return x, y, z


@njit
def dopri5_ensemble(rho, x0, t_end, rtol, atol, out):
    for m in range(len(rho)):
        out[m] = dopri5(rho[m], x0[0], x0[1], x0[2], t_end, rtol, atol)
