"""A hint when an explicit method is held down by stiffness, at no cost for ordinary runs.

By definition, steps are limited by stability rather than accuracy if a larger tolerance does not make them longer.
After a run of very many steps, this is tried at a few of its states.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from ..engine.errors import StiffnessWarning
from ..engine.system import System
from .groups import Adaptive, AdaptiveGroup
from .rosenbrock import LARGEST
from .tableaux import Tableau

MANY = 200_000
"""Number of steps of a member from which on the question is asked."""

LOOSER = 1000.0
LOOSEST = 1e-2
PROBE = 60
"""Steps that are tried with each tolerance."""

LARGEST_SPECTRUM = 200


def warn_if_stiff(
    system: System,
    method: Tableau,
    compiled: Adaptive,
    states: Iterable[tuple[float, np.ndarray]],
    p: np.ndarray,
    *,
    span: float,
    rtol: float,
    atol: float,
    stacklevel: int,
) -> None:
    """Issue a :class:`StiffnessWarning` if steps are limited by stability at most of the ``states`` (time, state).

    ``span`` is the signed length of the run.
    """
    factor = min(LOOSER, LOOSEST / rtol)
    if factor < 10.0:
        return
    expected = factor ** (1.0 / method.error_order)
    verdicts: list[bool] = []
    found = None
    for t, y in states:
        strict, loose = (_step(compiled, t, y, p, span, f * rtol, f * atol) for f in (1.0, factor))
        held = strict > 0 and loose < expected ** (1 / 3) * strict
        verdicts.append(held)
        if held and found is None:
            found = t, y, strict, loose / strict
        if len(verdicts) - sum(verdicts) > sum(verdicts) + 1:
            return
    if found is None or 2 * sum(verdicts) <= len(verdicts):
        return
    t, y, step, growth = found
    stiff = "rodas5p" if system.dimension <= LARGEST else "radau5"
    warnings.warn(
        f"the steps of method {method.name!r} are limited by stability, not by accuracy: near t = {t:g} they are "
        f"{step:.2g} long{_product(system, t, y, p, step)}, and a tolerance {factor:g} times larger makes them only "
        f"{growth:.2g} times longer; the system is stiff, use method={stiff!r}",
        StiffnessWarning,
        stacklevel=stacklevel + 1,
    )


def _step(compiled: Adaptive, t: float, y: np.ndarray, p: np.ndarray, span: float, rtol: float, atol: float) -> float:
    """Mean length of the steps from a state on, or 0 if they fail."""
    group = AdaptiveGroup(
        *(compiled, y[None], p[None], t, t + span),
        times=np.zeros(0),
        rtol=rtol,
        atol=atol,
        max_steps=PROBE,
    )
    group.advance(0, 0, np.empty((1, 0, len(y))), lambda fraction: None)
    moved = abs(float(group.result()["t_stop"][0]) - t)
    return moved / PROBE if np.isfinite(group.y).all() else 0.0


def _product(system: System, t: float, y: np.ndarray, p: np.ndarray, step: float) -> str:
    """The stiffness in numbers, where the system is small enough for its eigenvalues."""
    if system.dimension > LARGEST_SPECTRUM:
        return ""
    from ..engine.evaluation import evaluate

    n = system.dimension
    slopes = evaluate(system.program("jacobian"), t=[t], y=y, p=p)["J"].reshape(n, n)
    radius = float(abs(np.linalg.eigvals(slopes)).max())
    return f" ({step * radius:.2g} over the spectral radius of the Jacobian, {radius:.2g})"
