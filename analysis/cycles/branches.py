"""Branches of limit cycles: what a continuation of cycles returns."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.layout import Variable
from ...engine.system import System
from ...engine.trajectory import dataset
from ..continuation.branches import Branch, Record, SpecialPoint, laid_out
from ..continuation.pseudo_arclength import Point, Points
from .collocation import Collocation, described
from .cycle import Cycle

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Orbit:
    """What is known of a point of a branch of cycles besides its unknowns.

    Attributes
    ----------
    problem : Collocation
        The mesh.
    eigenvalues : ndarray
        Floquet multipliers.
    unstable : int
    period : float
    flow : ndarray
        Scaled right-hand side at the collocation points.
    """

    problem: Collocation
    eigenvalues: np.ndarray
    unstable: int
    period: float
    flow: np.ndarray


@dataclass(frozen=True, eq=False)
class CyclePoint(SpecialPoint):
    """A labelled cycle of a branch; ``state`` and ``vector`` are the largest values along it.

    Attributes
    ----------
    cycle : Cycle
    """

    cycle: Cycle | None = None

    @property
    def period(self) -> float:
        """The period."""
        assert self.cycle is not None
        return self.cycle.period


@dataclass(frozen=True, eq=False, repr=False)
class CycleBranch(Branch):
    """A curve of limit cycles, or of their bifurcations.

    ``branch["PD1"]`` is the :class:`CyclePoint` of that label, ``branch.cycle(k)`` the k-th cycle.

    Attributes
    ----------
    data : xarray.Dataset
        As of a :class:`~attrax.analysis.Branch`; the state blocks are the largest values along a cycle,
        ``<block>_min`` the smallest. Besides: ``period``, ``norm`` (root of the mean square over time), ``profile`` and
        ``phase`` ``(point, node, component)``.
    """

    def __getitem__(self, label: str) -> CyclePoint:
        point = super().__getitem__(label)
        position = int(self.data["position"].values[self.labels.index(label)])
        known = {each.name: getattr(point, each.name) for each in fields(SpecialPoint)}
        return CyclePoint(**known, cycle=self.cycle(position))

    def special(self, kind: str | None = None) -> list[CyclePoint]:  # type: ignore[override]
        """The special points, all or those of a kind."""
        kinds = [str(each) for each in self.data["kind"].values]
        return [self[label] for label, k in zip(self.labels, kinds, strict=True) if kind in (None, k)]

    def cycle(self, position: int) -> Cycle:
        """The cycle at a position along the branch."""
        import xarray as xr

        data = self.data.isel(point=position)
        attrs = dict(self.data.attrs)
        continued = {name: float(data[key]) for name, key in json.loads(attrs["continued"]).items()}
        attrs["parameters"] = json.dumps(json.loads(attrs["parameters"]) | continued)
        names, shapes = json.loads(attrs["blocks"]), json.loads(attrs["shapes"])
        profile, phase, start = np.array(data["profile"]), np.array(data["phase"]), 0
        variables: dict[str, Any] = {}
        for block, key in names.items():
            shape = tuple(shapes[block])
            size = int(np.prod(shape, dtype=int))
            values = profile[:, start : start + size].reshape(len(profile), *shape)
            variables[key] = (("phase", *data[key].dims), values)
            start += size
        variables["period"] = ((), float(data["period"]))
        variables["multipliers"] = (("multiplier",), np.array(data["eigenvalues"]))
        variables["unstable"] = ((), int(data["unstable"]))
        variables["residual"] = ((), float(data["residual"]))
        variables["trivial_error"] = ((), float(abs(np.array(data["eigenvalues"]) - 1).min()))
        if "velocities" in data:
            variables["velocities"] = (("generator",), np.array(data["velocities"]))
        keep = {k: v for k, v in attrs.items() if k in KEPT or k.startswith("system")}
        keep |= {"blocks": json.dumps(list(names.values())), "symmetry": ""}
        coords = {"phase": phase, "time": (("phase",), phase * float(data["period"]))}
        return Cycle(xr.Dataset(variables, coords, keep))

    def cycles(self) -> Iterator[Cycle]:
        """All cycles along the branch."""
        return (self.cycle(k) for k in range(len(self)))

    def plot(self, axes: Axes | None = None, *, variable: str | None = None) -> Figure:
        """Draw largest and smallest values, stable parts solid (see :mod:`attrax.analysis.drawing.limit_cycles`)."""
        from ..drawing.limit_cycles import cycle_branches

        return cycle_branches([self.data], axes=axes, variable=variable)


KEPT = ("conventions", "attrax_version", "parameters", "created", "degree", "drive", "method", "analysis")


def cycle_branch(
    system: System,
    names: Sequence[str],
    record: Record,
    endings: tuple[str, str],
    attrs: Mapping[str, Any],
) -> CycleBranch:
    """The result of a continuation of cycles; unknowns after the profile are scalars, the parameters last."""
    n, count = system.dimension, len(names)
    rates = record.points[0].data.problem.rates
    first, generators = len(rates.extras), len(rates.generators)
    orbits = [point.data for point in record.points]
    lowest, highest, norms, phases, profiles = _along([orbit.problem for orbit in orbits], record.points)
    ends = [orbit.problem.nodes * n for orbit in orbits]
    scalars, turning = (
        np.array([vector[end : end + rates.scalars] for vector, end in zip(vectors, ends, strict=True)])
        for vectors in zip(*[(point.u, point.tangent) for point in record.points], strict=True)
    )
    own, velocities = slice(first, first + count), scalars[:, 1 : 1 + generators]
    periods = np.array([orbit.period for orbit in orbits])
    tangents = np.zeros((len(orbits), n + count + 1))
    tangents[:, n : n + count] = turning[:, own]
    whole = replace(
        orbits[0],
        eigenvalues=np.array([orbit.eigenvalues for orbit in orbits]),
        unstable=np.array([orbit.unstable for orbit in orbits]),
        period=periods,
    )
    u, residuals = np.column_stack([highest, scalars[:, own], periods]), [point.residual for point in record.points]
    points = Points(u, tangents, {}, whole, np.array(residuals))
    bare = replace(system, observables={}, _programs=system._programs)
    shapes = {name: list(shape) for name, shape in system.state.items()}
    attrs = {**attrs, "shapes": json.dumps(shapes)}
    plan, arrays = laid_out(bare, names, ("period",), Record([points], record.marks), endings, attrs)
    variables = dict(plan.variables)
    unit = {"units": system.time_unit} if system.time_unit else {}
    variables["period"] = variables["period"]._replace(attrs={"long_name": "period"} | unit)
    variables["eigenvalues"] = variables["eigenvalues"]._replace(attrs={"long_name": "Floquet multipliers"})
    further = {
        "norm": (("point",), norms, "root mean square over time"),
        "profile": (("point", "node", "component"), profiles, "states along the cycle"),
        "phase": (("point", "node"), phases, "time, in periods"),
    }
    if generators:
        further["velocities"] = (("point", "generator"), velocities, "along the symmetries")
    for block, key in json.loads(str(plan.attrs["blocks"])).items():
        dims = variables[key].dims
        variables[key] = variables[key]._replace(attrs={"long_name": "largest value along the cycle"})
        low = lowest[:, system.state_slices[block]].reshape(arrays[key].shape)
        further[f"{key}_min"] = (dims, low, "smallest value along the cycle")
    for key, (dims, values, meaning) in further.items():
        variables[key], arrays[key] = Variable(dims, float, {"long_name": meaning}), values
    sizes = dict(plan.sizes) | {"node": profiles.shape[1], "component": n}
    sizes |= {"generator": generators} if generators else {}
    return CycleBranch(dataset(replace(plan, sizes=sizes, variables=variables), arrays))


def _along(problems: Sequence[Collocation], points: Sequence[Point]) -> tuple[np.ndarray, ...]:
    """Smallest and largest values, norms, phases of the nodes and profiles of cycles, all on meshes of one size."""
    degree = problems[0].degree
    own = [problem.profile(point.u) for problem, point in zip(problems, points, strict=True)]
    extremes, norms, meshes, profiles = described([problem.mesh for problem in problems], own, degree)
    inside = meshes[:, :-1, None] + np.diff(meshes)[:, :, None] * np.arange(degree) / degree
    phases = np.append(inside.reshape(len(points), -1), meshes[:, -1:], axis=1)
    return extremes[:, 0], extremes[:, 1], norms, phases, profiles
