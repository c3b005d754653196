"""Curves of fixed points and of their bifurcations: defining equations, test functions, refinement.

Each class is a `pseudo_arclength.Curve`. The bifurcations are defined by scalar functions from bordered matrices
(Govaerts, Numerical Methods for Bifurcations of Dynamical Equilibria, 2000): few unknowns more than the state, and
exact gradients. With one active parameter the same equations are square and refine a special point.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ..continuation.pseudo_arclength import Curve, Event, Jump, Point, advance, measured, newton
from . import normal_forms
from .derivatives import Equations
from .guards import PREFIX, Guards
from .smoothness import kinks
from .spectra import NEUTRAL, Spectrum, pair_test, pairs, signed, spectrum
from .stretches import stretch

Vector = np.ndarray
Matrix = np.ndarray

FARTHEST = 1e5
"""Branches end when the state has grown by this factor."""
TOGETHER = 1e-6
"""Eigenvalues closer than this to the stability boundary (relative to the largest) are on it together."""
ASYMPTOTIC = 1e-9
"""A parameter this close to a bound (relative to their distance) has reached it."""
VERTICAL = 1e-12
"""Parts of the unit tangent (scaled) below this are rounding."""
MOST_PAIRS = 200
"""Neutral saddles are looked for in systems of no more states."""
CLOSE = 2e-3
"""How far, in units of the scale, a refined point may lie from where the test function vanished."""


def state_scale(state: Vector) -> Vector:
    """Scale of a state: in its units, the length of a change is the root mean square of the relative changes."""
    size = abs(state)
    typical = np.maximum(size, 1e-2 * size.max()) if size.max() > 1e-6 else np.ones_like(state)
    return typical * math.sqrt(len(state))


class _Fixed(Curve):
    """What all curves here share: ``u`` begins with the state and the active parameters, ``extras`` follow."""

    def __init__(self, eq: Equations, u: Vector, ranges: Sequence[tuple[float, float]] = ()):
        self.eq = eq
        self.n, self.m = eq.n, eq.m
        widths = [high - low for low, high in ranges] or [max(1.0, abs(x)) for x in u[self.n : self.n + self.m]]
        rest = u[self.n + self.m :]
        self.scale = np.concatenate([state_scale(u[: self.n]), widths, np.maximum(1.0, abs(rest))])
        self.weight = np.concatenate([np.full(self.n, math.sqrt(self.n)), np.zeros(self.m), np.ones(len(rest))])
        self.start_size = self.scale[: self.n].max()
        self.bounds = [(self.n + k, low, high) for k, (low, high) in enumerate(ranges)]

    def adopt(self, point: Point) -> None:
        size = abs(point.u) * self.weight
        if (size > self.scale).any():
            self.scale = np.maximum(self.scale, size)

    def troubles(self, point: Point) -> str:
        switches = kinks(self.eq, self.z(point.u))
        return f"the right-hand side is not smooth there: {', '.join(switches[:2])}" if switches else ""

    def may_end(self, u: Matrix) -> np.ndarray:
        """At which of the points (points, N) the curve may end; :meth:`ends` says whether it does."""
        found = abs(u[:, : self.n]).max(axis=1) > FARTHEST * self.start_size
        for index, low, high in self.bounds:
            found |= abs(u[:, index] - (low + high) / 2) >= (0.5 - ASYMPTOTIC) * (high - low)
        return found

    def ends(self, point: Point) -> str | None:
        if abs(point.u[: self.n]).max() > FARTHEST * self.start_size:
            return f"the state grows beyond {FARTHEST:.0e} times its size at the start"
        for index, low, high in self.bounds:
            for bound, side in ((low, "low"), (high, "high")):
                if abs(point.u[index] - bound) < ASYMPTOTIC * (high - low):
                    return f"bound {index} {side}"
        return None

    def z(self, u: Vector) -> Vector:
        """State and active parameters."""
        return u[: self.n + self.m]


class FixedPoints(_Fixed):
    """Fixed points over one parameter; events LP, BP, H (or NSE, neutral saddle), and LP, BP, PD, NS of maps.

    Of hybrid flows also BE, boundary equilibria, on the guard of one of the events.
    """

    rate = 1e-300
    """Largest absolute eigenvalue so far (less 1 for maps)."""

    def __init__(self, eq: Equations, u: Vector, ranges: Sequence[tuple[float, float]] = ()):
        super().__init__(eq, u, ranges)
        self.guards = Guards(eq)
        self.chunk = 64, max(128, 2048 // self.n)

    def equations(self, u):
        return self.eq.values(u)

    def adopt(self, point):
        super().adopt(point)
        self.rate = max(self.rate, abs(point.data.eigenvalues - (1.0 if self.eq.map else 0.0)).max())

    def adopt_many(self, u: Matrix, eigenvalues: Matrix) -> None:
        """Points (points, n + 1) with these eigenvalues were accepted."""
        self.scale = np.maximum(self.scale, abs(u).max(axis=0, initial=0.0) * self.weight)
        self.rate = max(self.rate, abs(eigenvalues - (1.0 if self.eq.map else 0.0)).max(initial=0.0))

    def ahead(self, here, start, length, stepping, most):
        native = self.eq.compiled
        if native is None or self.extras:
            return super().ahead(here, start, length, stepping, most)
        return stretch(self, native, here, start, length, stepping, most)

    def measure(self, u, tangent, derivative, orientation):
        found = spectrum(derivative[: self.n, : self.n], self.eq.map)
        values = self.across(found.eigenvalues)
        crossings = {name: float(test) for name, test in self.crossings(values).items()}
        crossings |= {name: float(value[0]) for name, value in self.guards(u[None]).items()}
        return {"LP": float(self.turning(tangent[self.n])), "BP": orientation} | crossings, found

    def turning(self, slopes: Vector) -> Vector:
        """The parameter's part of tangents, 0 up to rounding where the branch is vertical."""
        return np.where(abs(slopes) > VERTICAL * self.scale[self.n], slopes, 0.0)

    def crossings(self, eigenvalues: Vector) -> dict[str, Vector]:
        """The test functions of eigenvalues (..., n)."""
        tests = {}
        if self.eq.map:
            tests["PD"] = signed(eigenvalues.real + 1, eigenvalues.imag == 0)
        if self.n <= MOST_PAIRS:
            tests["NS" if self.eq.map else "H"] = pair_test(eigenvalues, self.eq.map)
        return tests

    def across(self, eigenvalues: Vector) -> Vector:
        """The eigenvalues that may cross the stability boundary."""
        return eigenvalues

    def growth(self, point: Point) -> Vector:
        """Growth rates of the eigenvalues that may cross, the largest first."""
        values = self.across(point.data.eigenvalues)
        return np.sort(abs(values) - 1 if self.eq.map else values.real)[::-1]

    def jumps(self, before, after):
        first, last = sorted((before.data.unstable, after.data.unstable))
        if first == last:
            return None
        steady = after.data.eigenvalues - 1 if self.eq.map else after.data.eigenvalues
        growth = abs(after.data.eigenvalues) - 1 if self.eq.map else steady.real
        critical = after.data.eigenvalues[np.argmin(np.where(abs(growth) < NEUTRAL * self.rate, np.inf, abs(growth)))]
        if abs(critical.imag) > 1e-9 * abs(critical):
            kind = "NS" if self.eq.map else "H"
        else:
            kind = "PD" if self.eq.map and critical.real < 0 else "BP"

        def crossing(point: Point) -> Vector:
            return self.growth(point)[first:last]

        return Jump(
            kind,
            lambda point: float(crossing(point).mean()),
            lambda point: bool(np.ptp(crossing(point)) <= TOGETHER * self.rate),
        )

    def explained(self, before, after, events):
        if any("degenerate" in event.note or "family" in event.note for event in events):
            return True
        crossing = sum({"H": 2, "NS": 2, "LP": 1, "BP": 1, "PD": 1}.get(event.kind, 0) for event in events)
        return abs(after.data.unstable - before.data.unstable) <= crossing

    def refine(self, name, near, locate):
        if name.startswith(PREFIX):
            point = locate()
            note = f"on the guard of event {name.removeprefix(PREFIX)!r}"
            return None if point is None else Event("BE", point, True, {}, note)
        define = {"LP": Folds, "PD": Folds, "BP": BranchPoints, "H": Pairs, "NS": Pairs}[name]
        u = define.start(self.eq, near.u, near.data.eigenvalues)
        if u is None:
            return None
        system = define(self.eq, u, shift=2.0 if name == "PD" else 0.0)
        run = newton(system.equations, u, None, system.scale, 12)
        distance = np.linalg.norm((self.z(run.u) - near.u) / self.scale)
        refined = run.converged and distance < CLOSE
        z = self.z(run.u) if refined else None
        if z is None and (point := locate()) is not None:
            z = point.u
            if name == "BP" and (between := interpolated(self, point)) is not None:
                z, refined = between, True
        if z is None:
            return None
        point = measured(self, z, near.tangent)
        with np.errstate(all="ignore"):
            event = _classified(self, name, point, refined, run.u)
            unclear = event and (not refined or "degenerate" in event.note)
            if event and unclear and (switches := kinks(self.eq, z)):
                return replace(event, note=f"not smooth here: {', '.join(switches[:2])}", coefficients={})
            return event


def interpolated(curve: FixedPoints, near: Point, reach: float = 1e-3) -> Vector | None:
    """The point near ``near`` at which several eigenvalues vanish together, from points around it; or None.

    There the equations are singular, but the mean of these eigenvalues and the point are smooth along the curve.
    """
    growth = abs(curve.growth(near))
    count = int((growth <= 10 * growth.min() + TOGETHER * curve.rate).sum())
    places = reach * np.array([-1.0, -0.6, -0.2, 0.2, 0.6, 1.0])
    around = [advance(curve, near, place)[0] for place in places]
    if any(point is None for point in around):
        return None
    growths = [curve.growth(point) for point in around if point is not None]
    first = min(int((each > 0).sum()) for each in growths)
    means = np.array([each[first : first + count].mean() for each in growths])
    if means[0] * means[-1] >= 0:
        return None
    units = places / reach
    roots = np.polynomial.Polynomial.fit(units, means, 5, domain=[-1, 1]).roots()
    real = roots.real[(abs(roots.imag) < 1e-9) & (abs(roots.real) < 1)]
    if len(real) != 1:
        return None
    weights = [np.prod([(real[0] - b) / (a - b) for b in units if b != a]) for a in units]
    u = np.array(weights) @ np.array([point.u for point in around if point is not None])
    residual, derivative = curve.equations(u)
    return u if abs(residual).max() <= 1e-9 * abs(derivative @ curve.scale).max() else None


def _classified(curve: FixedPoints, name: str, point: Point, refined: bool, u: Vector) -> Event | None:
    """The event with its normal form; None where another test function tells the truth."""
    eq, z = curve.eq, point.u
    steady = point.data.eigenvalues - 1 if eq.map else point.data.eigenvalues
    size = max(curve.rate, abs(steady).max())
    zeros = int((abs(steady) < TOGETHER * size).sum())
    try:
        match name:
            case "LP":
                return _fold(curve, point, refined)
            case "BP":
                if zeros > 1:
                    return Event("BP", point, refined, {}, f"degenerate: {zeros} eigenvalues vanish")
                form = normal_forms.branch_point(eq, z, curve.scale)
                return Event("BP", point, refined, form.coefficients, form.note)
            case "PD":
                return Event("PD", point, refined, *normal_forms.period_doubling(eq, z))
            case "H":
                square = float(u[-1]) if refined else _critical(point).imag ** 2
                if square <= (TOGETHER * size) ** 2:
                    return Event("NSE", point, refined, {}, "neutral saddle") if zeros < 2 else None
                return _hopf(eq, point, refined, math.sqrt(square), size)
            case _:
                cosine = float(u[-1]) if refined else _critical(point).real
                if abs(cosine) > 1:
                    return Event("NSE", point, refined, {}, "neutral saddle")
                return Event("NS", point, refined, *normal_forms.neimark_sacker(eq, z, math.acos(cosine)))
    except np.linalg.LinAlgError:
        return Event(name, point, refined, {}, "degenerate: the normal form is singular")


def _fold(curve: FixedPoints, point: Point, refined: bool) -> Event | None:
    """The fold, unless the derivative by the parameter lies in the range of the Jacobian: then it is a branch point."""
    n = curve.n
    _, d = curve.eq.values(point.u)
    d = d * curve.scale
    _, left = normal_forms.null_vectors(d[:, :n] / curve.scale[:n])
    if abs(left[:, 0] @ d[:, n]) < 1e-7 * np.linalg.norm(d):
        return None
    form = normal_forms.fold(curve.eq, point.u)
    return Event("LP", point, refined, form, "" if refined or form["a"] else "degenerate: a vanishes")


def _hopf(eq: Equations, point: Point, refined: bool, omega: float, size: float) -> Event:
    values = point.data.eigenvalues
    pairs = int(((abs(values.real) < TOGETHER * size) & (values.imag > 0)).sum())
    if pairs > 1:
        return Event("H", point, refined, {"omega": omega}, f"degenerate: {pairs} pairs cross")
    if (abs(values) < TOGETHER * size).any():
        return Event("H", point, refined, {"omega": omega}, "degenerate: an eigenvalue vanishes, too")
    return Event("H", point, refined, *normal_forms.hopf(eq, point.u, omega))


def _critical(point: Point) -> complex:
    """The complex eigenvalue nearest to the stability boundary, in the upper half plane."""
    values = point.data.eigenvalues
    complex_ones = values[values.imag > 0]
    if not complex_ones.size:
        return 0j
    return complex(complex_ones[np.argmin(abs(complex_ones.real))])


class _Bifurcation(_Fixed):
    """A curve of bifurcations in two parameters; events of codimension two are zeros of smooth functions."""

    def __init__(self, eq: Equations, u: Vector, ranges: Sequence[tuple[float, float]] = (), shift: float = 0.0):
        super().__init__(eq, u, ranges)
        self.shift = shift * np.eye(self.n)
        self.border(u)

    @staticmethod
    def start(eq: Equations, u: Vector, eigenvalues: Vector) -> Vector | None:
        """Unknowns at a point where the bifurcation is near."""
        raise NotImplementedError

    def border(self, u: Vector) -> None:
        """Choose the borders of the matrix at a point near the curve."""
        raise NotImplementedError

    def measure(self, u, tangent, derivative, orientation):
        found = spectrum(derivative[: self.n, : self.n], self.eq.map)
        if self.m == 1:
            return {}, found
        with np.errstate(all="ignore"):
            return self.codimension_two(u, derivative[: self.n], found), found

    def codimension_two(self, u: Vector, derivative: Matrix, found: Spectrum) -> dict[str, float]:
        """Test functions by the label of their zeros."""
        return {}

    def refine(self, name, near, locate):
        point = locate()
        if point is None or abs(point.tests[name]) > max(1e-6, 0.1 * abs(near.tests[name])):
            return None  # not a zero but a pole
        with np.errstate(all="ignore"):
            try:
                coefficients = self.coefficients(name, point)
            except np.linalg.LinAlgError:
                coefficients = {}
        return Event(name, point, abs(point.tests[name]) < 1e-8, coefficients)

    def coefficients(self, name: str, point: Point) -> dict[str, float]:
        """Normal form of a point of codimension two."""
        z = self.z(point.u)
        match name:
            case "CP":
                return {"c": normal_forms.cubic(self.eq, z)}
            case "BT":
                return normal_forms.bogdanov_takens(self.eq, z)
            case "GH":
                return normal_forms.bautin(self.eq, z, math.sqrt(point.u[-1]))
            case "ZH":
                return normal_forms.zero_hopf(self.eq, z, _critical(point).imag)
            case "HH":
                own = math.sqrt(point.u[-1])
                values = point.data.eigenvalues
                angular = abs(values[np.argsort(abs(values.real))[:4]].imag)
                return normal_forms.double_hopf(self.eq, z, own, float(angular[np.argmax(abs(angular - own))]))
        return {}


class Folds(_Bifurcation):
    """LP curves: ``DF`` is singular; PD curves, with ``shift = 2``: ``DF + 2`` is (a multiplier is -1)."""

    @staticmethod
    def start(eq, u, eigenvalues):
        return u.copy()

    def border(self, u):
        _, d = self.eq.values(self.z(u))
        self.right, self.left = (v[:, 0] for v in normal_forms.null_vectors(d[:, : self.n] + self.shift))

    def adopt(self, point):
        super().adopt(point)
        _, d = self.eq.values(self.z(point.u))
        v, w, _ = self.vectors(d)
        self.right, self.left = v / np.linalg.norm(v), w / np.linalg.norm(w)

    def vectors(self, d: Matrix) -> tuple[Vector, Vector, float]:
        """Approximate null vectors, and the function that vanishes with the determinant."""
        n = self.n
        bordered, unit = np.zeros((n + 1, n + 1)), np.zeros(n + 1)
        bordered[:n, :n], bordered[:n, n], bordered[n, :n] = d[:, :n] + self.shift, self.left, self.right
        unit[n] = 1.0
        right, left = np.linalg.solve(bordered, unit), np.linalg.solve(bordered.T, unit)
        return right[:n], left[:n], float(right[n])

    def equations(self, u):
        n, z = self.n, self.z(u)
        r, d = self.eq.values(z)
        v, w, g = self.vectors(d)
        out, derivative = np.empty(n + 1), np.empty((n + 1, len(u)))
        out[:n], out[n] = r, g
        derivative[:n], derivative[n] = d, -self.eq.gradient(z, w, v)
        return out, derivative

    def codimension_two(self, u, derivative, found):
        z = self.z(u)
        v, w, _ = self.vectors(derivative)
        v, w = v / np.linalg.norm(v), w / np.linalg.norm(w)
        if self.shift.any():
            return {"R2": float(w @ v)}
        tests = {"CP": float(w @ self.eq.directional(z, v, v)), "R1" if self.eq.map else "BT": float(w @ v)}
        if self.n > 2 and not self.eq.map:
            others = np.delete(found.eigenvalues, np.argmin(abs(found.eigenvalues)))
            tests["ZH"] = float(pair_test(others, False))
        return tests

    def refine(self, name, near, locate):
        event = super().refine(name, near, locate)
        if event and name == "ZH" and _critical(event.point).imag < 1e-6:
            return None  # two real eigenvalues add up to zero: nothing bifurcates
        return event


class Pairs(_Bifurcation):
    """H and NS curves: ``A^2 + kappa`` (maps: ``A^2 - 2 kappa A + 1``) has rank n - 2; kappa is omega^2 (cos theta)."""

    extras = ("kappa",)

    @staticmethod
    def start(eq, u, eigenvalues):
        if eq.n < 2:
            return None
        values = eigenvalues
        first, second = pairs(len(values))
        # the pair that adds up to zero (multiplies to one): complex conjugates, or two real ones
        residue = values[first] * values[second] - 1 if eq.map else values[first] + values[second]
        k = np.argmin(abs(residue))
        a, b = values[first[k]], values[second[k]]
        kappa = (a + b).real / 2 if eq.map else (a * b).real
        return np.append(u, kappa)

    def matrix(self, a: Matrix, kappa: float) -> Matrix:
        """The matrix polynomial whose rank drops by two."""
        if self.eq.map:
            return a @ a - 2 * kappa * a + np.eye(self.n)
        return a @ a + kappa * np.eye(self.n)

    def linear(self, d: Matrix) -> Matrix:
        """A: the derivative of the flow's right-hand side or of the map."""
        return d[:, : self.n] + np.eye(self.n) if self.eq.map else d[:, : self.n].copy()

    def border(self, u):
        _, d = self.eq.values(self.z(u))
        self.right, self.left = normal_forms.null_vectors(self.matrix(self.linear(d), u[-1]), 2)
        self.choose(u)

    def adopt(self, point):
        super().adopt(point)
        _, d = self.eq.values(self.z(point.u))
        v, w, _ = self.vectors(self.linear(d), point.u[-1])
        self.right, self.left = np.linalg.qr(v)[0], np.linalg.qr(w)[0]
        self.choose(point.u)

    def choose(self, u: Vector) -> None:
        """Take the two of the four functions whose gradients within the curve of fixed points are most independent."""
        _, d = self.eq.values(self.z(u))
        full = np.zeros((self.n, len(u)))
        full[:, :-1] = d
        within = np.linalg.qr(full.T, mode="complete")[0][:, self.n :]
        self.chosen: tuple[tuple[int, int], ...] = ((0, 0), (0, 1), (1, 0), (1, 1))
        slopes = self.equations(u)[1][self.n :] @ within
        products, (i, j) = slopes @ slopes.T, pairs(4)
        best = np.argmax(products[i, i] * products[j, j] - products[i, j] ** 2)
        self.chosen = (self.chosen[i[best]], self.chosen[j[best]])

    def vectors(self, a: Matrix, kappa: float) -> tuple[Matrix, Matrix, Matrix]:
        """Bases of the nearly null spaces, and the 2 x 2 matrix that vanishes with the rank."""
        n = self.n
        bordered, units = np.zeros((n + 2, n + 2)), np.zeros((n + 2, 2))
        bordered[:n, :n] = self.matrix(a, kappa)
        bordered[:n, n:], bordered[n:, :n] = self.left, self.right.T
        units[n, 0] = units[n + 1, 1] = 1.0
        right, left = np.linalg.solve(bordered, units), np.linalg.solve(bordered.T, units)
        return right[:n], left[:n], right[n:]

    def equations(self, u):
        n, z, kappa = self.n, self.z(u), u[-1]
        r, d = self.eq.values(z)
        count = n + len(self.chosen)
        out, derivative = np.empty(count), np.zeros((count, len(u)))
        out[:n], derivative[:n, :-1] = r, d
        a = self.linear(d)
        v, w, g = self.vectors(a, kappa)
        for row, (i, j) in enumerate(self.chosen, n):
            out[row] = g[i, j]
            av = a @ v[:, j]
            first = av - 2 * kappa * v[:, j] if self.eq.map else av
            slope = self.eq.gradient(z, w[:, i], first) + self.eq.gradient(z, a.T @ w[:, i], v[:, j])
            derivative[row, :-1] = -slope
            derivative[row, -1] = 2 * (w[:, i] @ av) if self.eq.map else -(w[:, i] @ v[:, j])
        return out, derivative

    def codimension_two(self, u, derivative, found):
        kappa = float(u[-1])
        if self.eq.map:
            return {"R1": kappa - 1, "R2": kappa + 1, "R3": kappa + 0.5, "R4": kappa}
        tests = {"BT": kappa}
        values = found.eigenvalues
        first, second = pairs(len(values))
        size = abs(values[first] + values[second]) + abs(values[first] * values[second] - kappa)
        k = np.argmin(size)
        others = np.delete(values, [first[k], second[k]])
        if self.n > 2:
            tests["ZH"] = float(signed(others.real, others.imag == 0))
        if self.n > 3:
            tests["HH"] = float(pair_test(others, False))
        tests["GH"] = math.nan
        if kappa > 0:
            with contextlib.suppress(np.linalg.LinAlgError):
                coefficients, _ = normal_forms.hopf(self.eq, self.z(u), math.sqrt(kappa))
                # l1 has a pole at ZH points, which the product has not
                tests["GH"] = coefficients["l1"] * tests.get("ZH", 1.0)
        return tests

    def refine(self, name, near, locate):
        beyond = near.u[-1] <= 0 if not self.eq.map else False
        if name != "BT" and beyond:
            return None  # neutral saddles: nothing bifurcates
        event = super().refine(name, near, locate)
        if event and name == "HH":
            values = event.point.data.eigenvalues
            critical = np.sort(abs(values.real))[:4]
            if critical[-1] > 1e-6 * max(1.0, abs(values).max()):
                return None
        return event


class BranchPoints(_Bifurcation):
    """BP curves: ``DF`` by state and first parameter loses rank; ``F + beta left = 0`` with an unfolding ``beta``."""

    extras = ("beta",)

    @staticmethod
    def start(eq, u, eigenvalues):
        return np.append(u, 0.0)

    def border(self, u):
        _, d = self.eq.values(self.z(u))
        left, _, right = np.linalg.svd(d[:, : self.n + 1])
        self.right, self.left = right[-2:].T, left[:, -1]

    def adopt(self, point):
        super().adopt(point)
        _, d = self.eq.values(self.z(point.u))
        v, w, _ = self.vectors(d)
        self.right, self.left = np.linalg.qr(v)[0], w / np.linalg.norm(w)

    def vectors(self, d: Matrix) -> tuple[Matrix, Vector, Vector]:
        """Basis of the nearly null space, left null vector, and the two functions that vanish with the rank."""
        n = self.n
        bordered, units = np.zeros((n + 2, n + 2)), np.zeros((n + 2, 2))
        bordered[:n, : n + 1], bordered[:n, n + 1], bordered[n:, : n + 1] = d[:, : n + 1], self.left, self.right.T
        units[n, 0] = units[n + 1, 1] = 1.0
        right = np.linalg.solve(bordered, units)
        left = np.linalg.solve(bordered.T, np.append(np.zeros(n + 1), 1.0))
        return right[: n + 1], left[:n], right[n + 1]

    def equations(self, u):
        n, z = self.n, self.z(u)
        r, d = self.eq.values(z)
        out, derivative = np.empty(n + 2), np.zeros((n + 2, len(u)))
        out[:n] = r + u[-1] * self.left
        derivative[:n, :-1], derivative[:n, -1] = d, self.left
        v, w, out[n:] = self.vectors(d)
        for k in range(2):
            derivative[n + k, :-1] = -self.eq.gradient(z, w, v[:, k])
        return out, derivative


CURVES: dict[str, type[_Bifurcation]] = {"LP": Folds, "PD": Folds, "H": Pairs, "NS": Pairs, "BP": BranchPoints}
