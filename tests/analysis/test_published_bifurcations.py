"""Bifurcations of published models: every located point against the same point computed with 40 digits by mpmath.

Each model is one formula for both. mpmath solves the defining equations with the eigenvectors as unknowns (Govaerts
2000, Sec. 4; Kuznetsov 2004, Sec. 10.2), attrax those from bordered matrices. Labels and verdicts are the published ones.
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

PRECISE = SimpleNamespace(exp=mp.exp, tanh=mp.tanh, cosh=mp.cosh)


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


def duffing_map(m, y, p):
    return [y[1], -p[1] * y[0] + p[0] * y[1] - y[1] ** 3]


def ricker(m, y, p):
    return [y[0] * m.exp(p[0] * (1 - y[0]))]


def delayed_logistic(m, y, p):
    return [p[0] * y[0] * (1 - y[1]) + p[1], y[0]]


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
        "E. N. Lorenz, Tellus A 36, 98 (1984); A. Shil'nikov, G. Nicolis, C. Nicolis, Int. J. Bif. Chaos 5, 1701 (1995)",
        *(lorenz84, {"F": 0.5, "G": 0.5}, [0.3, 0.4, 0.4], "F", (0.0, 4.0), "LP LP Hsup"),
        {"LP1": ({"F": (0, 5), "G": (0, 5)}, "ZH CP"), "H1": ({"F": (0, 5), "G": (0, 5)}, "ZH")},
    ),
    "Bazykin": Model(
        "A. D. Bazykin, Nonlinear Dynamics of Interacting Populations (1985); Kuznetsov 2004, example 8.3",
        *(bazykin, {"alpha": 0.3, "delta": 0.5}, [5.0, 2.0], "delta", (0.0, 1.0), "Hsup LP LP"),
        {"LP1": ({"alpha": (0, 1), "delta": (0, 1)}, "BT CP BT"), "H1": ({"alpha": (0, 1), "delta": (0, 1)}, "GH BT BT")},
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
    "generalised Henon": Model(
        "W. Govaerts, R. Khoshsiar Ghaziani, Yu. A. Kuznetsov, H. G. E. Meijer, SIAM J. Sci. Comput. 29, 2644 (2007)",
        *(generalised_henon, {"alpha": -0.4, "beta": 0.5}, [-0.4, -0.4], "alpha", (-2, 2), "LP PDsup"),
        {"LP1": ({"alpha": (-3, 4), "beta": (-2, 2)}, "R1"), "PD1": ({"alpha": (-3, 4), "beta": (-2, 2)}, "R2")},
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
    """The point solves its defining equations, and has the normal form, in arithmetic of 40 digits."""
    assert point.refined, point.label
    with mp.workdps(40):
        exact = Exact(model, point)
        state, values = exact.solved
        size = max(abs(each) for each in state)
        for found, true in zip(point.vector, state, strict=True):
            assert abs(found - true) <= 1e-10 * max(abs(true), 1e-3 * size), (point.label, found, true)
        for key, true in values.items():
            assert abs(point.parameters[key] - true) <= 1e-10 * abs(true), (point.label, key, true)
        for key, true in exact.coefficients(state, values).items():
            assert point.coefficients[key] == pytest.approx(float(true), rel=1e-7), (point.label, key)


class Exact:
    """A special point in mpmath: unknowns are the state, the parameters and the critical eigenvectors."""

    def __init__(self, model: Model, point):
        self.model, self.kind, self.n = model, point.kind, len(model.start)
        self.names = list(point.parameters)
        self.guess = [*point.vector, *point.parameters.values()]
        values, vectors = np.linalg.eig(self.numeric(self.jacobian(*self.split(self.guess))))
        size = abs(values).max()
        match self.kind:
            case "LP" | "CP" | "BP" | "BT" | "ZH":
                self.right = vectors[:, np.argmin(abs(values))].real
            case "PD" | "R2":
                self.right = vectors[:, np.argmin(abs(values + 2))].real
        if self.kind in ("H", "NS", "ZH", "GH"):
            growth = abs(values + 1) - 1 if model.is_map else values.real
            growth = np.where(values.imag > 1e-9 * size, abs(growth), np.inf)
            k = np.argmin(growth)
            self.pair, self.eigenvalue = vectors[:, k] / np.vdot(vectors[:, k], vectors[:, k]), values[k]

    def split(self, u):
        return list(u[: self.n]), dict(zip(self.names, u[self.n : self.n + len(self.names)], strict=True))

    def jacobian(self, y, values):
        h = mp.mpf(10) ** -13

        def column(k):
            ahead, behind = ([x + sign * h * (j == k) for j, x in enumerate(y)] for sign in (1, -1))
            f, g = self.model.equations(values, ahead), self.model.equations(values, behind)
            return [(a - b) / (2 * h) for a, b in zip(f, g, strict=True)]

        return mp.matrix([column(k) for k in range(self.n)]).T

    @staticmethod
    def numeric(matrix):
        return np.array(matrix.tolist(), dtype=float)

    @property
    def solved(self):
        n = self.n
        extra = self.start()
        given = [mp.mpf(float(x)) for x in [*self.guess, *extra]]

        def residual(*u):
            y, values = self.split(u)
            return [*self.model.equations(values, y), *self.conditions(self.jacobian(y, values), u[n + len(self.names) :])]

        if self.kind == "BP":  # not isolated: least squares
            return self.split(given)
        u = mp.findroot(residual, given, tol=1e-40, maxsteps=30)
        return self.split(u)

    def start(self):
        n = self.n
        match self.kind:
            case "LP" | "PD" | "R2":
                return list(self.right)
        return []

    def conditions(self, jacobian, extra):
        raise NotImplementedError
