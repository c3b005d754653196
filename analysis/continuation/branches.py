"""What a continuation returns: a branch, as labelled data with special points to restart from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.declaration import suggest
from ...engine.errors import InputError
from ...engine.evaluation import evaluate
from ...engine.layout import Layout, Variable
from ...engine.system import System
from ...engine.trajectory import dataset
from .pseudo_arclength import Event, Point

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESERVED = (
    *("point", "special", "eigenvalue", "unknown", "form", "eigenvalues", "unstable", "residual", "tangent", "label"),
    *("position", "kind", "refined", "note", "unstable_before", "unstable_after", "coefficients", "omega2"),
)


@dataclass(frozen=True, eq=False)
class SpecialPoint:
    """A labelled point of a branch, from which another run can start.

    Attributes
    ----------
    label, kind : str
        "H2" and "H".
    parameters : dict of str to float
        Those that the branch was continued in.
    state : dict of str to ndarray
    vector, tangent : ndarray
        Flat state, and the branch's unit tangent there.
    eigenvalues : ndarray
        Of the Jacobian; of a map, multipliers.
    residual : float
        Largest component of the equations of a fixed point.
    refined : bool
        Whether it solves its defining equations, or is only bracketed.
    coefficients : dict of str to float
        Of the normal form; see :mod:`attrax.analysis.equilibria.normal_forms` for the conventions.
    note : str
        "supercritical", "transcritical", ...
    unstable : tuple of int
        Number of unstable eigenvalues before and after, along the branch.
    iterates : int
        Maps: of which iterate it is a fixed point.
    """

    label: str
    kind: str
    parameters: dict[str, float]
    state: dict[str, np.ndarray]
    vector: np.ndarray
    tangent: np.ndarray
    eigenvalues: np.ndarray
    residual: float
    refined: bool
    coefficients: dict[str, float]
    note: str
    unstable: tuple[int, int]
    iterates: int = 1


@dataclass(frozen=True, eq=False)
class Branch:
    """A curve of fixed points, or of their bifurcations.

    ``branch["H2"]`` is the :class:`SpecialPoint` of that label. ``Branch(attrax.load(path, group))`` reads one back.

    Attributes
    ----------
    data : xarray.Dataset
        Along ``point``: the state blocks, observables, parameters, ``eigenvalues`` (those computed, in large systems),
        ``unstable`` (number of unstable ones), ``residual``, ``tangent`` (by state, parameters, and further unknowns),
        ``label``; of H and NS curves ``kappa`` (omega^2, negative at neutral saddles; cosine of theta). Along
        ``special``: ``position`` on the branch, ``kind``, ``refined``, ``coefficients`` by their names, ``note``,
        ``unstable_before`` and ``unstable_after``.
    """

    data: xr.Dataset

    @property
    def labels(self) -> list[str]:
        """Labels of the special points, along the branch."""
        return [str(each) for each in self.data["special"].values]

    @property
    def parameters(self) -> list[str]:
        """The parameters that it was continued in."""
        return list(json.loads(self.data.attrs["continued"]))

    @property
    def endings(self) -> tuple[str, str]:
        """Why it ends at its first and at its last point."""
        first, last = json.loads(self.data.attrs["endings"])
        return first, last

    def special(self, kind: str | None = None) -> list[SpecialPoint]:
        """The special points, all or those of a kind."""
        kinds = [str(each) for each in self.data["kind"].values]
        return [self[label] for label, k in zip(self.labels, kinds, strict=True) if kind in (None, k)]

    def __getitem__(self, label: str) -> SpecialPoint:
        if label not in self.labels:
            raise InputError(f"the branch has no point {label!r}; {suggest(label, self.labels)}")
        special = self.data.isel(special=self.labels.index(label))
        data = self.data.isel(point=int(special["position"]))
        names = json.loads(self.data.attrs["blocks"])
        state = {block: np.array(data[name]) for block, name in names.items()}
        coefficients = zip(self.data["form"].values.tolist(), special["coefficients"].values.tolist(), strict=True)
        return SpecialPoint(
            label,
            str(special["kind"].values),
            {name: float(data[key]) for name, key in json.loads(self.data.attrs["continued"]).items()},
            state,
            np.concatenate([np.ravel(v) for v in state.values()]),
            np.array(data["tangent"]),
            np.array(data["eigenvalues"]),
            float(data["residual"]),
            bool(special["refined"]),
            {name: value for name, value in coefficients if np.isfinite(value)},
            str(special["note"].values),
            (int(special["unstable_before"]), int(special["unstable_after"])),
            int(self.data.attrs.get("iterates", 1)),
        )

    def __len__(self) -> int:
        return self.data.sizes["point"]

    def __repr__(self) -> str:
        return table(self)

    def save(self, path: str | os.PathLike, group: str = "/", **options: Any) -> None:
        """Store the data (see :func:`attrax.save`)."""
        from ...engine.storage import save

        save(self.data, path, group, **options)

    def plot(self, axes: Axes | None = None, *, variable: str | None = None) -> Figure:
        """Draw the branch, stable parts solid (see :func:`attrax.analysis.drawing.bifurcation_diagrams.branches`)."""
        from ..drawing.bifurcation_diagrams import branches

        return branches([self.data], axes=axes, variable=variable)


@dataclass(frozen=True, eq=False)
class Mark:
    """A special point of a record: where in it, and what is known of it besides the point."""

    position: int
    kind: str
    refined: bool = True
    coefficients: dict[str, float] = field(default_factory=dict)
    note: str = ""
    unstable: tuple[int, int] = (0, 0)


@dataclass
class Record:
    """Points and special points as they are found, in order along the branch."""

    points: list[Point] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(point.count for point in self.points)

    @property
    def unstable(self) -> np.ndarray:
        """Number of unstable eigenvalues at each point."""
        return np.hstack([point.data.unstable for point in self.points])

    def add(self, events: Iterable[Event], points: Iterable[Point]) -> None:
        """Append special points, and the ordinary ones after them."""
        for event in events:
            before, after = event.sides or (event.point, event.point)
            verdict = (before.data.unstable, after.data.unstable)
            self.marks.append(Mark(len(self), event.kind, event.refined, event.coefficients, event.note, verdict))
            self.points.append(event.point)
        self.points += points

    def reversed(self) -> Record:
        """The same in the other direction."""
        last = len(self) - 1
        points = [point.reversed() for point in reversed(self.points)]
        marks = [
            replace(mark, position=last - mark.position, unstable=mark.unstable[::-1]) for mark in reversed(self.marks)
        ]
        return Record(points, marks)

    def joined(self, other: Record) -> Record:
        """This, then the other."""
        shift = len(self)
        marks = [replace(mark, position=mark.position + shift) for mark in other.marks]
        return Record(self.points + other.points, self.marks + marks)


def branch(
    system: System,
    parameters: Sequence[str],
    extras: Sequence[str],
    record: Record,
    endings: tuple[str, str],
    attrs: Mapping[str, Any],
) -> Branch:
    """The result of a continuation; ``extras`` name the unknowns after the parameters."""
    return Branch(dataset(*laid_out(system, parameters, extras, record, endings, attrs)))


def laid_out(
    system: System,
    parameters: Sequence[str],
    extras: Sequence[str],
    record: Record,
    endings: tuple[str, str],
    attrs: Mapping[str, Any],
) -> tuple[Layout, dict[str, np.ndarray]]:
    """Layout and arrays of the data of a :func:`branch`."""
    marks = sorted(record.marks, key=lambda mark: mark.position)
    points = record.points
    labels = np.array(_numbered([mark.kind for mark in marks]), dtype=str)
    n, count = system.dimension, len(record)
    z, tangents = np.vstack([point.u for point in points]), np.vstack([point.tangent for point in points])
    eigenvalues = np.vstack([point.data.eigenvalues for point in points])
    residuals = np.hstack([point.residual for point in points])
    sizes: dict[str, int | None] = {
        "point": count,
        "eigenvalue": eigenvalues.shape[1],
        "unknown": z.shape[1],
        "special": len(labels),
        "form": 0,
    }
    coords: dict[str, Variable] = {}
    variables: dict[str, Variable] = {}
    arrays: dict[str, np.ndarray] = {}
    taken = set(RESERVED)
    blocks, continued, observed = {}, {}, {}
    for name, shape in system.state.items():
        blocks[name] = key = _free(name, taken)
        dims = tuple(
            _free(d, {*sizes} - ({d} if sizes.get(d) == size else set())) if d in RESERVED else d
            for d, size in zip(system.state_dims[name], shape, strict=True)
        )
        sizes |= dict(zip(dims, shape, strict=True))
        variables[key] = Variable(("point", *dims))
        arrays[key] = z[:, system.state_slices[name]].reshape(count, *shape)
    for k, name in enumerate(parameters):
        continued[name] = key = _free(name, taken)
        declared = system.parameters[name]
        described = {"units": declared.unit, "long_name": declared.meaning}
        coords[key] = Variable(("point",), float, {k: v for k, v in described.items() if v}, z[:, n + k])
    for name, seen in _observed(system, parameters, z).items():
        observed[name] = key = _free(name, taken)
        dims = ("point", *(_free(f"{name}_{axis}", {*sizes}) for axis in range(seen.ndim - 1)))
        sizes |= dict(zip(dims, seen.shape, strict=True))
        variables[key], arrays[key] = Variable(dims), seen
    for k, name in enumerate(extras):
        key = _free(name, taken)
        variables[key] = Variable(("point",), float, {"long_name": f"unknown {name} of the defining equations"})
        arrays[key] = z[:, n + len(parameters) + k]
    forms = sorted({name for mark in marks for name in mark.coefficients})
    table_ = np.array([[mark.coefficients.get(name, np.nan) for name in forms] for mark in marks])
    sizes["form"] = len(forms)
    at = [mark.position for mark in marks]
    on_points = np.zeros(count, dtype=labels.dtype)
    on_points[at] = labels
    unknowns = [*system.component_names, *parameters, *extras]
    coords["unknown"] = Variable(("unknown",), str, {}, np.array(unknowns, dtype=str))
    coords["special"] = Variable(("special",), str, {}, labels)
    coords["form"] = Variable(("form",), str, {}, np.array(forms, dtype=str))
    what = "multipliers" if system.kind == "map" else "eigenvalues of the Jacobian"
    for key, dims, kind, meaning, values in (
        ("eigenvalues", ("point", "eigenvalue"), complex, what, eigenvalues),
        ("unstable", ("point",), np.int64, "number of unstable eigenvalues", record.unstable),
        ("residual", ("point",), float, "largest component of the equations", residuals),
        ("tangent", ("point", "unknown"), float, "unit tangent, scaled", tangents),
        ("label", ("point",), str, "", on_points),
        ("position", ("special",), np.int64, "place along the branch", at),
        ("kind", ("special",), str, "", [mark.kind for mark in marks]),
        ("refined", ("special",), np.int8, "1 if it solves its defining equations", [mark.refined for mark in marks]),
        ("note", ("special",), str, "", [mark.note for mark in marks]),
        (
            "unstable_before",
            ("special",),
            np.int64,
            "unstable eigenvalues before",
            [mark.unstable[0] for mark in marks],
        ),
        ("unstable_after", ("special",), np.int64, "unstable eigenvalues after", [mark.unstable[1] for mark in marks]),
        ("coefficients", ("special", "form"), float, "of normal forms", table_.reshape(len(labels), len(forms))),
    ):
        arrays[key] = np.array(values, dtype=str if kind is str else kind)
        variables[key] = Variable(dims, arrays[key].dtype, {"long_name": meaning} if meaning else {})
    attributes = {
        **attrs,
        "continued": json.dumps(continued),
        "blocks": json.dumps(blocks),
        "observables": json.dumps(observed),
        "endings": json.dumps(endings),
    }
    return Layout(sizes, coords, variables, attributes), arrays


def _observed(system: System, names: Sequence[str], z: np.ndarray) -> dict[str, np.ndarray]:
    """The observables of a system at points of a branch: (points, axes) by name."""
    if not system.observable_shapes:
        return {}
    n, count = system.dimension, len(z)
    p = np.tile(system.parameter_vector, (count, 1))
    p[:, [system.parameter_slices[name].start for name in names]] = z[:, n : n + len(names)]
    return {
        name: evaluate(system.program(name), t=np.zeros((1, count)), y=z[:, :n].T, p=p.T)[name].T.reshape(count, *shape)
        for name, shape in system.observable_shapes.items()
    }


def table(one: Branch) -> str:
    """The special points as a table, one line each."""
    data = one.data
    names = list(json.loads(data.attrs["continued"]).values())
    n = sum(data[name][0].size for name in json.loads(data.attrs["blocks"]).values())
    components = [str(u) for u in data["unknown"].values[: min(n, 6)]]
    head = ["point", "label", *names, *components, "unstable", "normal form"]
    rows = []
    for label in one.labels:
        p = one[label]
        values = [f"{v:.8g}" for v in (*p.parameters.values(), *p.vector[: len(components)])]
        unstable = str(p.unstable[0]) if p.unstable[0] == p.unstable[1] else f"{p.unstable[0]} -> {p.unstable[1]}"
        form = [f"{k} = {v:.5g}" for k, v in p.coefficients.items()] + ([p.note] if p.note else [])
        form += [] if p.refined else ["not refined"]
        position = int(data["position"].values[one.labels.index(label)])
        rows.append([str(position), label, *values, unstable, ", ".join(form)])
    widths = [max(len(row[k]) for row in [head, *rows]) for k in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(w) if 2 <= k < len(head) - 2 else cell.ljust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]
    system, what = data.attrs.get("system", ""), data.attrs.get("curve", "fixed points")
    more = f" (first {len(components)} of {n} states)" if n > len(components) else ""
    ends = [f"{place}: {e}" for place, e in zip(("begins", "ends"), one.endings, strict=True) if e]
    return "\n".join([f"{system}: {what}, {len(one)} points{more}", *lines, *ends])


def _numbered(kinds: Iterable[str]) -> list[str]:
    counts: dict[str, int] = {}
    labels = []
    for kind in kinds:
        counts[kind] = counts.get(kind, 0) + 1
        labels.append(f"{kind}{'_' if kind[-1].isdigit() else ''}{counts[kind]}")
    return labels


def _free(name: str, taken: set[str]) -> str:
    """The name, with underscores until it is not taken; takes it."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name
