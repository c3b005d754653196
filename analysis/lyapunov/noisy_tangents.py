"""Tangent vectors of noisy flows: they see the same noise as the state, by the derivative of its amplitudes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...engine.errors import InputError
from ...integrators.ensemble import zip as together
from ...integrators.fields import DONE, NONFINITE, RUNNING
from ...integrators.methods import METHODS
from ...integrators.parallel import Tick
from ...integrators.simulate import simulate
from ...integrators.stochastic import Stochastic
from .deviations import NAME, with_deviations
from .tangent import Tangent

if TYPE_CHECKING:
    from .spectrum import _Settings

STEPS = 100
"""Most steps between two projections."""


class NoisyTangents:
    """Members that take equal steps together with vectors that are made orthonormal now and then."""

    def __init__(
        self, tangent: Tangent, how: _Settings, y: np.ndarray, p: np.ndarray, seed: int, width: int, first: int
    ):
        system = tangent.system
        self.how, self.seed, self.first = how, seed, first
        self.extended = with_deviations(system, how.k)
        vectors = tangent.vectors(seed).T
        self.values: dict[str, Any] = {
            name: p[:, where].reshape(len(y), *system.numeric[name]) for name, where in system.parameter_slices.items()
        }
        self.y, self.vectors = y, np.broadcast_to(vectors, (len(y), *vectors.shape)).copy()
        self.growth, self.round, self.time = np.zeros((len(y), how.k + 1)), 0, 0.0
        self.growth[:, -1] = np.nan
        self.closed, self.status = np.zeros(len(y), dtype=bool), np.full(len(y), RUNNING)
        self.reached = np.zeros(len(y))

    def go(self, duration: float, times: int, most: int, tick: Tick) -> np.ndarray:
        """Let the members go on; their growth ``(members, 1, k + 1)``, in which that of volumes is not known."""
        whole = duration * times
        for part in np.diff(np.linspace(0.0, whole, int(np.ceil(whole / (STEPS * self.how.step))) + 1)):
            self._segment(float(part))
            tick(0.0)
        found = self.growth[:, None].copy()
        self.growth[:, :-1] = 0.0
        return found

    def _segment(self, duration: float) -> None:
        key = int(np.random.SeedSequence([self.seed, self.round]).generate_state(1, np.uint64)[0] >> 2)
        run = simulate(
            self.extended,
            self.time + duration,
            t_start=self.time,
            dt=self.how.step,
            method=self.how.method,
            sample="end",
            parameters=together(state=self.y, **{NAME: self.vectors}, **self.values),
            seed=(key, self.first),
            workers=1,
        )
        self.round, self.time = self.round + 1, self.time + duration
        state, vectors = run["state"].values[:, 0], run[NAME].values[:, 0]
        finite = np.isfinite(state).all(axis=1) & np.isfinite(vectors).all(axis=(1, 2))
        going = finite & (self.status != NONFINITE)
        self.status = np.where(going, DONE, NONFINITE)
        self.reached[going] = self.time
        q, r = np.linalg.qr(vectors[going].transpose(0, 2, 1))
        with np.errstate(divide="ignore"):
            self.growth[going, :-1] += np.log(np.abs(np.diagonal(r, axis1=1, axis2=2)))
        self.y = self.y.copy()
        self.y[going], self.vectors[going] = state[going], q.transpose(0, 2, 1)


def noisy_method(name: str, method: str | None, dt: Any) -> str:
    """The method for a system with noise."""
    if dt is None:
        raise InputError(f"{name!r} is noisy; give dt, the length of its steps")
    method = method or "stochastic_heun"
    known = [each for each, rule in METHODS.items() if isinstance(rule, Stochastic)]
    if method not in known:
        raise InputError(f"{name!r} is noisy; its method is one of {', '.join(known)}, not {method!r}")
    return method
