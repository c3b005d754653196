"""Bifurcations of published models: every located point against the same point computed with 40 digits by mpmath.

Each model is one formula for both. mpmath solves the defining equations with the eigenvectors as unknowns (Govaerts
2000, Sec. 4; Kuznetsov 2004, Sec. 10.2), attrax those from bordered matrices. Labels and verdicts are those published.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import continue_bifurcation, continue_fixed_points

PRECISE = SimpleNamespace(exp=mp.exp, tanh=mp.tanh, cosh=mp.cosh, cos=mp.cos, sin=mp.sin)


@dataclass(frozen=True)
class Model:
    """A model, where its branch begins and ends, and what is known of its bifurcations."""

    source: str
    rhs: Callable
    parameters: dict[str, float]
    start: list[float]
    along: str
    bounds: tuple[float, float]
    expected: str
    """Labels along the branch, those of flows and maps that are bifurcations."""
    curves: dict[str, tuple[dict[str, tuple[float, float]], str]] = field(default_factory=dict)
    """By the label that a curve starts from: bounds of two parameters, and the labels along the curve."""
    is_map: bool = False
    iterates: int = 1

    @property
    def system(self):
        n, names = len(self.start), list(self.parameters)

        def function(t, s, p):
            return {"y": jnp.stack(self.rhs(jnp, [s.y[k] for k in range(n)], [getattr(p, name) for name in names]))}

        declare = ax.map if self.is_map else ax.flow
        return declare(state={"y": (n,)}, parameters=self.parameters, initial={"y": np.array(self.start)})(function)

    def equations(self, values, y):
        """F in mpmath: the right-hand side, or the iterate minus the state."""
        p = [values.get(name, self.parameters[name]) for name in self.parameters]
        p = [mp.mpf(each) if isinstance(each, float) else each for each in p]
        if not self.is_map:
            return self.rhs(PRECISE, y, p)
        x = y
        for _ in range(self.iterates):
            x = self.rhs(PRECISE, x, p)
        return [a - b for a, b in zip(x, y, strict=True)]


def hodgkin_huxley(m, y, p):
    v, a, h, n = y
    rates = [
        (0.1 * (v + 40) / (1 - m.exp(-(v + 40) / 10)), 4 * m.exp(-(v + 65) / 18)),
        (0.07 * m.exp(-(v + 65) / 20), 1 / (1 + m.exp(-(v + 35) / 10))),
        (0.01 * (v + 55) / (1 - m.exp(-(v + 55) / 10)), 0.125 * m.exp(-(v + 65) / 80)),
    ]
    gates = [up * (1 - x) - down * x for x, (up, down) in zip((a, h, n), rates, strict=True)]
    return [p[0] - 120 * a**3 * h * (v - 50) - 36 * n**4 * (v + 77) - 0.3 * (v + 54.387), *gates]


def morris_lecar(m, y, p):
    v, w = y
    current, calcium = p
    opened, resting = (1 + m.tanh((v + 1.2) / 18)) / 2, (1 + m.tanh((v - 12) / 17.4)) / 2
    return [
        (current - 2 * (v + 60) - calcium * opened * (v - 120) - 8 * w * (v + 84)) / 20,
        (resting - w) * m.cosh((v - 12) / 34.8) / 15,
    ]


def wilson_cowan(m, y, p):
    return [
        -y[0] + 1 / (1 + m.exp(-(p[0] + 10 * y[0] - 10 * y[1]))),
        -y[1] + 1 / (1 + m.exp(-(p[1] + 10 * y[0] + 2 * y[1]))),
    ]


def abc(m, y, p):
    a, b, c = y
    rate = p[0] * m.exp(c)
    return [
        -a + (1 - a) * rate,
        -b + rate * (1 - a - 0.04 * b),
        -c - 1.55 * c + 8 * rate * (1 - a + 0.04 * b),
    ]


def carbon_monoxide(m, y, p):
    x, y, s = y
    q2, k = p
    z = 1 - x - y - s
    return [2 * 2.5 * z**2 - 2 * x**2 - 10 * x * y, q2 * z - 0.1 * y - 10 * x * y, 0.0675 * (z - k * s)]


def lorenz84(m, y, p):
    x, y, z = y
    f, g = p
    return [-(y**2) - z**2 - x / 4 + f / 4, x * y - 4 * x * z - y + g, 4 * x * y + x * z - z]


def bazykin(m, y, p):
    x, y = y
    alpha, delta = p
    eaten = x * y / (1 + alpha * x)
    return [x - eaten - 0.01 * x**2, -y + eaten - delta * y**2]


def koper(m, y, p):
    x, y, z = y
    k, current = p
    return [(k * y - x**3 + 3 * x - current) / 0.1, x - 2 * y + z, y - z]


def hindmarsh_rose(m, y, p):
    x, y, z = y
    return [y - x**3 + 3 * x**2 - z + p[0], 1 - 5 * x**2 - y, 0.006 * (4 * (x + 1.6) - z)]


def oregonator(m, y, p):
    x, z = y
    f, q = p
    return [(x * (1 - x) - f * z * (x - q) / (x + q)) / 0.04, x - z]


def rosenzweig_macarthur(m, y, p):
    x, y = y
    return [x * (1 - x / p[0]) - x * y / (1 + x), -0.3 * y + 0.6 * x * y / (1 + x)]


def generalised_henon(m, y, p):
    alpha, beta = p
    return [y[1], alpha - beta * y[0] - y[1] ** 2 - 0.1 * y[0] * y[1]]


def henon(m, y, p):
    return [1 - p[0] * y[0] ** 2 + y[1], p[1] * y[0]]


def brusselator(m, y, p):
    return [p[0] - (p[1] + 1) * y[0] + y[0] ** 2 * y[1], p[1] * y[0] - y[0] ** 2 * y[1]]


def adaptive_control(m, y, p):
    return [y[1], y[2], -p[0] * y[2] - p[1] * y[1] - y[0] + y[0] ** 2]


def chua(m, y, p):
    x, y, z = y
    return [p[0] * (y - x**3 / 16 + x / 6), x - y + z, -p[1] * y]


def ignition(m, y, p):
    return [p[0] * m.exp(y[0]) - y[0]]


def fitzhugh_nagumo(m, y, p):
    return [y[0] - y[0] ** 3 / 3 - y[1] + p[0], 0.08 * (y[0] + 0.7 - p[1] * y[1])]


def sel_kov(m, y, p):
    x, y = y
    return [-x + p[0] * y + x**2 * y, p[1] - p[0] * y - x**2 * y]


def van_der_pol_duffing(m, y, p):
    return [y[1], p[0] * y[0] + p[1] * y[1] - y[0] ** 3 - y[0] ** 2 * y[1]]


def food_web(m, y, p):
    """Two consumers of one resource, with a saturating one (Holling type II)."""
    x, y, z = y
    first, second = 5 * x * y / (1 + 3 * x), p[0] * y * z / (1 + 2 * y)
    return [x * (1 - x) - first, first - second - 0.4 * y, second - p[1] * z]


def cubic_map(m, y, p):
    return [p[0] * y[0] - y[0] ** 3]


def ikeda(m, y, p):
    x, y = y
    phase = 0.4 - p[1] / (1 + x**2 + y**2)
    return [p[0] + 0.9 * (x * m.cos(phase) - y * m.sin(phase)), 0.9 * (x * m.sin(phase) + y * m.cos(phase))]


def duffing_map(m, y, p):
    return [y[1], -p[1] * y[0] + p[0] * y[1] - y[1] ** 3]


def ricker(m, y, p):
    return [y[0] * m.exp(p[0] * (1 - y[0]))]


def delayed_logistic(m, y, p):
    return [p[0] * y[0] * (1 - y[1]) + p[1], y[0]]


def schnakenberg(m, y, p):
    return [p[0] - y[0] + y[0] ** 2 * y[1], p[1] - y[0] ** 2 * y[1]]


def gray_scott(m, y, p):
    u, v = y
    feed, k = p
    return [feed * (1 - u) - u * v**2, u * v**2 - (feed + k) * v]


def budworm(m, y, p):
    return [p[0] * y[0] * (1 - y[0] / p[1]) - y[0] ** 2 / (1 + y[0] ** 2)]


def toggle_switch(m, y, p):
    return [p[0] / (1 + y[1] ** 2) - y[0], p[0] / (1 + y[0] ** 2) - y[1]]


def repressilator(m, y, p):
    return [p[0] / (1 + y[k - 1] ** 3) - y[k] for k in range(3)]


def lengyel_epstein(m, y, p):
    u, v = y
    shared = u / (1 + u**2)
    return [p[0] - u - 4 * v * shared, p[1] * (u - v * shared)]


def peroxidase(m, y, p):
    a, b, x, z = y
    k7, k8 = p
    first, third = 0.1631021 * a * b * x, 0.046875 * a * b * z
    return [
        -first - third + k7 - 0.1175 * a,
        -first - third + k8,
        first - 2500 * x**2 + 2 * third - 20 * x + 0.001,
        -third + 2500 * x**2 - 1.104 * z,
    ]


def sodium_potassium(m, y, p):
    v, n = y
    opened, resting = 1 / (1 + m.exp((-20 - v) / 15)), 1 / (1 + m.exp((-25 - v) / 5))
    return [p[0] - 8 * (v + 80) - 20 * opened * (v - 60) - 10 * n * (v + 90), resting - n]


def roessler(m, y, p):
    x, v, z = y
    a, c = p
    return [-v - z, x + a * v, 0.2 + z * (x - c)]


def langford(m, y, p):
    x, v, z = y
    b, a = p
    return [(z - b) * x - 3.5 * v, 3.5 * x + (z - b) * v, 0.6 + a * z - z**3 / 3 - (x**2 + v**2) * (1 + z / 4)]


def adaptive_map(m, y, p):
    x, v, z = y
    b, k = p
    error = b * x + k + z * v
    return [v, error, z - k * v * (error - 1) / (0.1 + v**2)]


def prey_predator_map(m, y, p):
    a, d = p
    return [a * y[0] * (1 - y[0]) - 0.2 * y[0] * y[1], d * y[0] * y[1]]


MODELS = {
    "Hodgkin-Huxley": Model(
        "A. L. Hodgkin, A. F. Huxley, J. Physiol. 117, 500 (1952); Hopf at 9.78 and 154.5: Rinzel & Miller 1980",
        *(hodgkin_huxley, {"I": 0.0}, [-65.0, 0.05, 0.6, 0.32], "I", (-10, 200), "Hsub Hsup"),
    ),
    "Morris-Lecar": Model(
        "C. Morris, H. Lecar, Biophys. J. 35, 193 (1981); class I: J. Rinzel, G. B. Ermentrout, 1998",
        *(morris_lecar, {"I": 0.0, "gCa": 4.0}, [-40.0, 0.01], "I", (-50, 150), "LP LP Hsub"),
        {
            "LP1": ({"I": (-150, 400), "gCa": (1, 8)}, "CP BT"),
            "H1": ({"I": (-150, 400), "gCa": (1, 8)}, "BT GH GH"),
        },
    ),
    "Wilson-Cowan": Model(
        "H. R. Wilson, J. D. Cowan, Biophys. J. 12, 1 (1972); weights of Hoppensteadt & Izhikevich 1997",
        *(wilson_cowan, {"P": -8.0, "Q": -5.0}, [0.0, 0.0], "P", (-8, 4), "Hsup LP LP"),
        {"LP1": ({"P": (-6, 7), "Q": (-14, 2)}, "CP BT BT"), "H1": ({"P": (-6, 7), "Q": (-14, 2)}, "BT GH BT")},
    ),
    "abc": Model(
        "A. Uppal, W. H. Ray, A. B. Poore, Chem. Eng. Sci. 29, 967 (1974); demo abc of AUTO-07p",
        *(abc, {"p1": 0.0}, [0.0, 0.0, 0.0], "p1", (0, 0.4), "Hsup Hsup Hsub Hsup"),
    ),
    "CO oxidation": Model(
        "V. I. Bykov, G. S. Yablonskii, V. F. Kim, Dokl. AN SSSR 242, 637 (1978); tutorial of MatCont",
        *(carbon_monoxide, {"q2": 0.5, "k": 0.4}, [0.003, 0.32, 0.4], "q2", (0.1, 3), "Hsub LP LP Hsub"),
        {"LP1": ({"q2": (0, 3), "k": (0, 5)}, "BT CP BT"), "H1": ({"q2": (0, 3), "k": (0, 5)}, "BT GH GH BT")},
    ),
    "Lorenz 1984": Model(
        "E. N. Lorenz, Tellus A 36, 98 (1984); A. Shil'nikov et al., Int. J. Bif. Chaos 5, 1701 (1995)",
        *(lorenz84, {"F": 0.5, "G": 0.5}, [0.3, 0.4, 0.4], "F", (0.0, 4.0), "LP LP Hsup"),
        {"LP1": ({"F": (0, 5), "G": (0, 5)}, "ZH CP"), "H1": ({"F": (0, 5), "G": (0, 5)}, "ZH")},
    ),
    "Bazykin": Model(
        "A. D. Bazykin, Nonlinear Dynamics of Interacting Populations (1985); Kuznetsov 2004, example 8.3",
        *(bazykin, {"alpha": 0.3, "delta": 0.5}, [5.0, 2.0], "delta", (0.0, 1.0), "Hsup LP LP"),
        {
            "LP1": ({"alpha": (0, 1), "delta": (0, 1)}, "BT CP BT"),
            "H1": ({"alpha": (0, 1), "delta": (0, 1)}, "GH BT BT"),
        },
    ),
    "Koper": Model(
        "M. T. M. Koper, Physica D 80, 72 (1995)",
        *(koper, {"k": -10.0, "current": -10.0}, [1.0, 1.0, 1.0], "current", (-20, 20), "Hsup Hsup"),
    ),
    "Hindmarsh-Rose": Model(
        "J. L. Hindmarsh, R. M. Rose, Proc. R. Soc. B 221, 87 (1984)",
        *(hindmarsh_rose, {"I": 0.0}, [-1.6, -11.0, 0.0], "I", (-1, 30), "Hsub Hsup Hsub Hsup"),
    ),
    "Oregonator": Model(
        "J. J. Tyson, Ann. N.Y. Acad. Sci. 316, 279 (1979)",
        *(oregonator, {"f": 0.3, "q": 8e-4}, [0.7, 0.7], "f", (0.2, 3.0), "Hsub Hsup"),
    ),
    "Rosenzweig-MacArthur": Model(
        "M. L. Rosenzweig, R. H. MacArthur, Am. Nat. 97, 209 (1963)",
        *(rosenzweig_macarthur, {"K": 1.5}, [1.0, 0.6], "K", (0.5, 6), "BP Hsup"),
    ),
    "Brusselator": Model(
        "I. Prigogine, R. Lefever, J. Chem. Phys. 48, 1695 (1968)",
        *(brusselator, {"A": 1.5, "B": 1.0}, [1.5, 0.67], "B", (0.5, 6), "Hsup"),
        {"H1": ({"A": (0.2, 2), "B": (0.5, 6)}, "")},
    ),
    "adaptive control": Model(
        "demo adapt1 of MatCont",
        *(adaptive_control, {"alpha": 2.0, "beta": 1.0}, [0.0, 0.0, 0.0], "alpha", (0.1, 3), "Hsup"),
        {"H1": ({"alpha": (0.1, 3), "beta": (0.1, 3)}, "")},
    ),
    "Chua": Model(
        "A. Khibnik, D. Roose, L. O. Chua, Int. J. Bif. Chaos 3, 363 (1993), with a cubic nonlinearity",
        *(chua, {"alpha": 3.0, "beta": 14.0}, [1.633, 0.0, -1.633], "alpha", (1, 20), "Hsup"),
    ),
    "ignition": Model(
        "D. A. Frank-Kamenetskii, Diffusion and Heat Exchange in Chemical Kinetics (1955): folds at 1 / e",
        *(ignition, {"rate": 0.1}, [0.1], "rate", (0, 1), "LP"),
    ),
    "FitzHugh-Nagumo": Model(
        "R. FitzHugh, Biophys. J. 1, 445 (1961)",
        *(fitzhugh_nagumo, {"I": 0.0, "b": 0.8}, [-1.2, -0.6], "I", (-1, 2), "Hsub Hsub"),
        {"H1": ({"I": (-2, 2), "b": (0.1, 2)}, "GH")},
    ),
    "Sel'kov": Model(
        "E. E. Sel'kov, Eur. J. Biochem. 4, 79 (1968)",
        *(sel_kov, {"a": 0.08, "b": 0.2}, [0.2, 1.6], "b", (0.1, 1.2), "Hsup Hsup"),
        {"H1": ({"a": (0.01, 0.2), "b": (0.1, 1.2)}, "")},
    ),
    "van der Pol-Duffing": Model(
        "P. Holmes, D. Rand, Int. J. Non-Linear Mech. 15, 449 (1980)",
        *(van_der_pol_duffing, {"mu1": 1.0, "mu2": -1.0}, [1.0, 0.0], "mu2", (-2, 2), "Hsub"),
    ),
    "food chain": Model(
        "A. Hastings, T. Powell, Ecology 72, 896 (1991)",
        *(food_web, {"a": 0.1, "d": 0.01}, [0.7, 0.15, 8.0], "d", (0.002, 0.03), "Hsup Hsub LP BP Hsub Hsup BP"),
    ),
    "generalised Henon": Model(
        "W. Govaerts, R. Khoshsiar Ghaziani, Yu. A. Kuznetsov, H. G. E. Meijer, SIAM J. Sci. Comput. 29, 2644 (2007)",
        *(generalised_henon, {"alpha": -0.4, "beta": 0.5}, [-0.4, -0.4], "alpha", (-2, 2), "LP PDsup"),
        {"LP1": ({"alpha": (-3, 4), "beta": (-2, 2)}, "R1"), "PD1": ({"alpha": (-3, 4), "beta": (-2, 2)}, "R2")},
        True,
    ),
    "generalised Henon, over beta": Model(
        "the same; Neimark-Sacker curve through all strong resonances",
        *(generalised_henon, {"alpha": 0.5, "beta": 0.5}, [0.3, 0.3], "beta", (0, 1.5), "NSsup"),
        {"NS1": ({"alpha": (-3, 5), "beta": (0, 3)}, "R2 R3 R4 R1")},
        True,
    ),
    "Henon": Model(
        "M. Henon, Commun. Math. Phys. 50, 69 (1976)",
        *(henon, {"a": 0.1, "b": 0.3}, [0.9, 0.3], "a", (-0.3, 1.4), "LP PDsup"),
        {"PD1": ({"a": (-1, 4), "b": (-1.5, 0.9)}, "R2")},
        True,
    ),
    "Henon, fourth iterate": Model(
        "the same: the cycle of period 2 from its doubling on",
        *(henon, {"a": 1.0, "b": 0.3}, [1.0, 0.0], "a", (0.95, 1.2), "PDsup"),
        {},
        True,
        4,
    ),
    "cubic map": Model(
        "R. M. May, in Bifurcation Theory and Applications in Scientific Disciplines (1979)",
        *(cubic_map, {"a": 0.5}, [0.0], "a", (-1.5, 2.5), "PDsub BPsup"),
        {},
        True,
    ),
    "Ikeda": Model(
        "K. Ikeda, Opt. Commun. 30, 257 (1979); S. M. Hammel, C. K. R. T. Jones, J. V. Moloney, 1985",
        *(ikeda, {"a": 0.2, "kappa": 6.0}, [0.2, 0.1], "a", (0.1, 1.0), "PDsup"),
        {"PD1": ({"a": (0.1, 1), "kappa": (2, 10)}, "")},
        True,
    ),
    "Duffing map": Model(
        "P. Holmes, Phil. Trans. R. Soc. A 292, 419 (1979)",
        *(duffing_map, {"a": 2.0, "b": 0.2}, [0.9, 0.9], "a", (0.5, 3), "PDsup BPsup PDsup"),
        {},
        True,
    ),
    "Ricker": Model(
        "W. E. Ricker, J. Fish. Res. Board Can. 11, 559 (1954)",
        *(ricker, {"r": 1.0}, [1.0], "r", (0.5, 3), "PDsup"),
        {},
        True,
    ),
    "delayed logistic": Model(
        "J. Maynard Smith 1968; Kuznetsov 2004, example 4.3, with immigration",
        *(delayed_logistic, {"a": 1.5, "e": 0.0}, [0.33, 0.33], "a", (1.2, 2.5), "NSsup"),
        {"NS1": ({"a": (1, 5), "e": (-0.3, 0.5)}, "")},
        True,
    ),
    "Schnakenberg": Model(
        "J. Schnakenberg, J. Theor. Biol. 81, 389 (1979): Hopf where b - a = (a + b)^3",
        *(schnakenberg, {"a": 0.1, "b": 2.0}, [2.1, 0.45], "b", (0.05, 2.5), "Hsup Hsup"),
        {"H1": ({"a": (0.01, 0.5), "b": (0.05, 2.5)}, "")},
    ),
    "Gray-Scott": Model(
        "P. Gray, S. K. Scott, Chem. Eng. Sci. 39, 1087 (1984): folds at F = 4 (F + k)^2, BT at F = k = 1/16",
        *(gray_scott, {"F": 0.02, "k": 0.05}, [0.3, 0.2], "F", (0.0, 0.2), "Hsub LP LP"),
        {"LP1": ({"F": (0, 0.2), "k": (0, 0.1)}, "BT")},
    ),
    "spruce budworm": Model(
        "D. Ludwig, D. D. Jones, C. S. Holling, J. Anim. Ecol. 47, 315 (1978)",
        *(budworm, {"r": 0.3, "q": 10.0}, [0.5], "r", (0.1, 1), "LP LP"),
        {"LP1": ({"r": (0.1, 1), "q": (1, 20)}, "CP")},
    ),
    "toggle switch": Model(
        "T. S. Gardner, C. R. Cantor, J. J. Collins, Nature 403, 339 (2000)",
        *(toggle_switch, {"alpha": 1.0}, [0.7, 0.7], "alpha", (0.5, 4), "BPsup"),
    ),
    "repressilator": Model(
        "M. B. Elowitz, S. Leibler, Nature 403, 335 (2000), proteins alone: Hopf at alpha = 3 2^(1/3)",
        *(repressilator, {"alpha": 1.0}, [0.7, 0.7, 0.7], "alpha", (0.5, 10), "Hsup"),
    ),
    "Lengyel-Epstein": Model(
        "I. Lengyel, I. R. Epstein, Science 251, 650 (1991): Hopf at b = 3 a / 5 - 25 / a",
        *(lengyel_epstein, {"a": 10.0, "b": 6.0}, [2.0, 5.0], "b", (1, 8), "Hsup"),
        {"H1": ({"a": (6, 30), "b": (0.1, 16)}, "GH")},
    ),
    "peroxidase-oxidase": Model(
        "C. G. Steinmetz, R. Larter, J. Chem. Phys. 94, 1388 (1991); tutorial of MatCont",
        *(peroxidase, {"k7": 4.235162, "k8": 0.5}, [31.79, 1.4547, 0.015246, 0.17761], "k7", (0.6, 6), "Hsup Hsub"),
        {"H1": ({"k7": (0.3, 8), "k8": (0.1, 2)}, "GH GH")},
    ),
    "sodium and potassium": Model(
        "E. M. Izhikevich, Dynamical Systems in Neuroscience (2007), fig. 4.1: fold at I = 4.51",
        *(sodium_potassium, {"I": 0.0}, [-65.0, 0.0], "I", (-10, 300), "LP"),
    ),
    "Roessler": Model(
        "O. E. Roessler, Phys. Lett. A 57, 397 (1976)",
        *(roessler, {"a": 0.3, "c": 5.7}, [0.01, -0.035, 0.035], "c", (0.1, 6), "LP"),
        {"LP1": ({"a": (0.01, 2), "c": (0.1, 6)}, "ZH")},
    ),
    "Langford": Model(
        "W. F. Langford, in Nonlinear Dynamics and Turbulence (1983), symmetric",
        *(langford, {"b": 2.5, "a": 0.95}, [0.0, 0.0, 2.0], "b", (-2, 3), "Hsup"),
        {"H1": ({"b": (-2, 3), "a": (-1, 3)}, "")},
    ),
    "adaptive control, discrete": Model(
        "M. P. Golden, B. E. Ydstie, Syst. Control Lett. 11, 413 (1988); demo of MatContM",
        *(adaptive_map, {"b": -0.5, "k": 0.5}, [1.0, 1.0, 1.0], "k", (0.1, 3), "PDsub"),
        {},
        True,
    ),
    "adaptive control, over b": Model(
        "the same",
        *(adaptive_map, {"b": 0.0, "k": 0.5}, [1.0, 1.0, 0.5], "b", (-1.5, 1.5), "NSsub PDsub"),
        {"NS1": ({"b": (-2, 2), "k": (0.05, 3)}, "R2 R3 R4")},
        True,
    ),
    "prey and predator, discrete": Model(
        "M. Danca, S. Codreanu, B. Bako, J. Biol. Phys. 23, 11 (1997)",
        *(prey_predator_map, {"a": 3.0, "d": 3.0}, [0.34, 5.0], "a", (1.0, 4.5), "BP NSsup"),
        {"NS1": ({"a": (1, 9.5), "d": (1.2, 5)}, "R2 R3 R4")},
        True,
    ),
}


def labels(branch) -> str:
    short = {"subcritical": "sub", "supercritical": "sup"}
    words = []
    for p in branch.special():
        if p.kind in ("EP", "NSE", "UZ"):
            continue
        verdict = p.note.split()[-1] if p.note else ""
        words.append(p.kind + short.get(verdict, ""))
    return " ".join(words)


CASES = [(name, label) for name, model in MODELS.items() for label in (None, *model.curves)]


@pytest.mark.parametrize(("name", "label"), CASES, ids=[f"{name}, {label or 'branch'}" for name, label in CASES])
def test_published_bifurcations(name, label):
    model = MODELS[name]
    branch = continue_fixed_points(model.system, model.along, model.bounds, iterates=model.iterates)
    expected = model.expected
    if label:
        bounds, expected = model.curves[label]
        branch = continue_bifurcation(model.system, branch[label], bounds)
    assert labels(branch) == expected
    for point in branch.special():
        if point.kind not in ("EP", "NSE"):
            check(model, point)


def check(model: Model, point) -> None:
    """The point solves its defining equations, and has its normal form, also in arithmetic of 70 digits."""
    assert point.refined, point.label
    with mp.workdps(70):
        exact = Exact(model, point)
        state, values, coefficients = exact.solved()
        size = max(abs(each) for each in state)
        for found, true in zip(point.vector, state, strict=True):
            assert abs(found - true) <= 1e-10 * max(abs(true), 1e-2 * size, 1e-2), (point.label, found, true)
        for key, true in values.items():
            assert abs(point.parameters[key] - true) <= 1e-10 * max(abs(true), 1e-2), (point.label, key, true)
        for key, true in coefficients.items():
            assert point.coefficients[key] == pytest.approx(float(true), rel=1e-6), (point.label, key)


H = mp.mpf(10) ** -15


class Exact:
    """A special point in mpmath: unknowns are the state, the parameters, and the critical eigenvectors."""

    def __init__(self, model: Model, point):
        self.model, self.point, self.kind, self.n = model, point, point.kind, len(model.start)
        self.names = list(point.parameters)
        self.shift = {"PD": 2, "R2": 2}.get(self.kind, 0)
        self.angle = {"R3": 2 * mp.pi / 3, "R4": mp.pi / 2}.get(self.kind)
        first = [*map(mp.mpf, point.vector.tolist()), *map(mp.mpf, point.parameters.values())]
        jacobian = np.array(self.jacobian(*self.split(first)).tolist(), dtype=float) + self.shift * np.eye(self.n)
        left, _, right = np.linalg.svd(jacobian)
        self.v, self.w = right[-1], left[:, -1]
        self.v1 = np.linalg.lstsq(jacobian, self.v, rcond=1e-6)[0]
        self.v1 = self.v1 - self.v * (self.v @ self.v1)
        values, vectors = np.linalg.eig(jacobian)
        growth = abs(abs(values + 1) - 1) if model.is_map else abs(values.real)
        k = np.argmin(np.where(values.imag > 0, growth, np.inf))
        self.q, self.frequency = vectors[:, k], values[k].imag
        if model.is_map:
            self.frequency = np.angle(1 + values[k])
        self.first = first

    def split(self, u):
        return list(u[: self.n]), dict(zip(self.names, u[self.n :], strict=False))

    def solved(self):
        """State, parameters, and the coefficients that are known independently."""
        pair = [*self.q.real, *self.q.imag]
        extra = {
            **dict.fromkeys(("LP", "PD"), [*self.v]),
            **dict.fromkeys(("H", "NS", "GH"), [*pair, self.frequency]),
            **dict.fromkeys(("R3", "R4"), pair),
            **dict.fromkeys(("BT", "R1", "R2"), [*self.v, *self.v1]),
            "BP": [*self.w, 0.0],
            "CP": [*self.v, *self.w, 0.0],
            "ZH": [*self.v, *pair, self.frequency],
        }[self.kind]
        start = self.first + [mp.mpf(float(x)) for x in extra]
        u = chord(self.residual, start)
        y, values = self.split(u)
        return y, values, self.coefficients(y, values, u[self.n + len(self.names) :])

    def residual(self, u):
        n, (y, values), rest = self.n, self.split(u), u[self.n + len(self.names) :]
        f = self.model.equations(values, y)
        jacobian = self.jacobian(y, values) + self.shift * mp.eye(n)
        if self.kind in ("LP", "PD"):
            return [*f, *self.kernel(jacobian, rest)]
        if self.kind in ("H", "NS", "R3", "R4"):
            return [*f, *self.rotation(jacobian, rest)]
        if self.kind in ("BT", "R1", "R2"):
            v0, v1 = rest[:n], rest[n:]
            chain = [a - b for a, b in zip(times(jacobian, v1), v0, strict=True)]
            return [*f, *self.kernel(jacobian, v0), *chain, inner(self.v, v1)]
        if self.kind == "ZH":
            return [*f, *self.kernel(jacobian, rest[:n]), *self.rotation(jacobian, rest[n:])]
        if self.kind == "BP":
            w, beta = rest[:n], rest[n]
            ahead, behind = ({key: x + sign * H for key, x in values.items()} for sign in (1, -1))
            by_parameter = [
                (a - b) / (2 * H)
                for a, b in zip(self.model.equations(ahead, y), self.model.equations(behind, y), strict=True)
            ]
            unfolded = [a + beta * mp.mpf(float(b)) for a, b in zip(f, self.w, strict=True)]
            return [*unfolded, *times(jacobian.T, w), inner(by_parameter, w), inner(self.w, w) - 1]
        if self.kind == "CP":
            v, w, slack = rest[:n], rest[n : 2 * n], rest[2 * n]
            left = [a + slack * mp.mpf(float(b)) for a, b in zip(times(jacobian.T, w), self.v, strict=True)]
            return [*f, *self.kernel(jacobian, v), *left, inner(self.w, w) - 1, inner(w, self.second(y, values, v, v))]
        assert self.kind == "GH"
        q, omega = [mp.mpc(a, b) for a, b in zip(rest[:n], rest[n : 2 * n], strict=True)], rest[2 * n]
        return [*f, *self.rotation(jacobian, rest), self.cubic(y, values, q, omega).real]

    def kernel(self, matrix, v):
        return [*times(matrix, v), inner(self.v, v) - 1]

    def rotation(self, jacobian, rest):
        """``J q = i omega q``; of maps ``J q = (e^{i theta} - 1) q``."""
        n = self.n
        a, b, angle = rest[:n], rest[n : 2 * n], self.angle or rest[-1]
        re, im = (mp.cos(angle) - 1, mp.sin(angle)) if self.model.is_map else (0, angle)
        first = [x - (re * r - im * i) for x, r, i in zip(times(jacobian, a), a, b, strict=True)]
        second = [x - (re * i + im * r) for x, r, i in zip(times(jacobian, b), a, b, strict=True)]
        return [
            *(*first, *second),
            inner(self.q.real, a) + inner(self.q.imag, b) - 1,
            inner(self.q.imag, a) - inner(self.q.real, b),
        ]

    # -- derivatives, as divided differences ----------------------------------------------------------------

    def jacobian(self, y, values):
        columns = []
        for k in range(self.n):
            f, g = (self.model.equations(values, [x + s * H * (j == k) for j, x in enumerate(y)]) for s in (1, -1))
            columns.append([(a - b) / (2 * H) for a, b in zip(f, g, strict=True)])
        return mp.matrix(columns).T

    def along(self, y, values, *directions):
        """Derivative along real or complex directions."""
        if not directions:
            return self.model.equations(values, y)
        *others, v = directions
        f, g = (self.along([a + s * H * b for a, b in zip(y, v, strict=True)], values, *others) for s in (1, -1))
        return [(a - b) / (2 * H) for a, b in zip(f, g, strict=True)]

    def second(self, y, values, u, v):
        return self.along(y, values, u, v)

    # -- normal forms (Kuznetsov 2004, Eqs. 5.62, 5.66, 5.74) -------------------------------------------------

    def coefficients(self, y, values, rest):
        n = self.n
        if self.kind == "PD":
            jacobian, v = self.jacobian(y, values), rest[:n]
            norm = mp.sqrt(inner(v, v))
            v = [x / norm for x in v]
            w = null((jacobian + 2 * mp.eye(n)).T, self.w)
            h = solved(-jacobian, self.second(y, values, v, v))
            third = inner(w, self.along(y, values, v, v, v)) + 3 * inner(w, self.second(y, values, v, h))
            return {"c": third / inner(w, v) / 6}
        if self.kind in ("H", "NS"):
            q, angle = [mp.mpc(a, b) for a, b in zip(rest[:n], rest[n : 2 * n], strict=True)], rest[-1]
            cubic = self.cubic(y, values, q, angle)
            if self.model.is_map:
                return {"theta": angle, "d": (mp.exp(-1j * angle) * cubic).real / 2}
            return {"omega": angle, "l1": cubic.real / (2 * angle)}
        return {}

    def cubic(self, y, values, q, angle):
        """``<p, C(q, q, q*) + 2 B(q, h11) + B(q*, h20)>`` for ``<q, q> = <p, q> = 1``."""
        n, jacobian = self.n, self.jacobian(y, values)
        own = mp.exp(1j * angle) - 1 if self.model.is_map else 1j * angle
        double = mp.exp(2j * angle) - 1 if self.model.is_map else 2j * angle
        norm = mp.sqrt(sum(abs(x) ** 2 for x in q))
        q = [x / norm for x in q]
        qc = [mp.conj(x) for x in q]
        p = null((jacobian - own * mp.eye(n)).T, q)
        p = [x / inner(p, q) for x in p]
        h20 = solved(double * mp.eye(n) - jacobian, self.second(y, values, q, q))
        h11 = solved(-jacobian, self.second(y, values, q, qc))
        third = self.along(y, values, q, q, qc)
        two = self.second(y, values, q, h11)
        last = self.second(y, values, qc, h20)
        return inner(p, [a + 2 * b + c for a, b, c in zip(third, two, last, strict=True)])


def chord(equations, u):
    """The root near ``u``, by Newton's method with the derivative at the start."""
    h = mp.mpf(10) ** -14
    r = equations(u)
    columns = []
    for k in range(len(u)):
        moved = equations([x + h * (j == k) for j, x in enumerate(u)])
        columns.append([(a - b) / h for a, b in zip(moved, r, strict=True)])
    derivative = mp.matrix(columns).T
    for _ in range(20):
        step = mp.lu_solve(derivative, mp.matrix(r))
        u = [x - dx for x, dx in zip(u, step, strict=True)]
        if all(abs(dx) < 1e-13 * max(1, abs(x)) for dx, x in zip(step, u, strict=True)):
            return u
        r = equations(u)
    raise AssertionError(f"no root near the point: the last step is {mp.nstr(mp.norm(step))}")


def times(matrix, v):
    return list(matrix * mp.matrix(v))


def inner(a, b):
    return mp.fsum(mp.mpmathify(x) * y for x, y in zip(map(plain, a), b, strict=True))


def plain(x):
    return complex(x) if isinstance(x, np.complexfloating) else float(x) if isinstance(x, np.floating) else x


def solved(matrix, right):
    return list(mp.lu_solve(matrix, mp.matrix(right)))


def null(matrix, guess):
    """The null vector of a singular matrix, by inverse iteration."""
    n = matrix.rows
    v = mp.matrix([mp.mpmathify(plain(x)) for x in guess])
    shifted = matrix + mp.mpf(10) ** -30 * mp.eye(n)
    for _ in range(4):
        v = mp.lu_solve(shifted, v)
        v = v / mp.norm(v)
    return list(v)
