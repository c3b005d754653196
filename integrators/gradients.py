"""Exact derivatives of functions of trajectories, through diffrax: :func:`gradient`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..engine.declaration import Namespace, suggest
from ..engine.errors import DeclarationError, InputError
from ..engine.quantities import namespaces
from ..engine.system import System
from .diffrax_backend import integrated, iterated, solver
from .ensemble import Ensemble, Members, check_system, members
from .fields import DONE
from .times import positive, samples, span, whole

Loss = Callable[[Any, Any, Any], Any]


def gradient(
    loss: Loss,
    system: System,
    t_end: float,
    *,
    wrt: str | Sequence[str],
    t_start: float = 0.0,
    method: str | None = None,
    dt: float | None = None,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    sample: float | np.ndarray | None = None,
    transient: float = 0.0,
    initial: Any = None,
    parameters: Mapping[str, Any] | Ensemble | None = None,
    max_steps: int = 100_000,
) -> Objective:
    """Make a function of parameters and initial values that returns a loss and its exact gradient.

    The gradient is that of the numerical solution itself (discretise, then differentiate; diffrax's checkpointed
    adjoint), so optimisers meet no inconsistency.

    Parameters
    ----------
    loss : function
        ``loss(t, s, p)``, a JAX function that returns a number: ``t`` are the times of the samples, ``s.<block>`` and
        ``s.<observable>`` have shape ``(members..., time, block axes)``, ``p`` are the parameters (of the first
        member).
    system : System
        Without noise and events.
    wrt : str or sequence of str
        Parameters and state blocks (meaning their initial values) by which to differentiate.
    t_end, t_start, method, dt, rtol, atol, sample, transient, initial, parameters
        As for :func:`attrax.simulate` with ``backend="jax"``. What is named in ``wrt`` is the same for all members,
        unless it is what differs between them.
    max_steps : int
        Where more steps are needed, the loss is infinite.

    Returns
    -------
    Objective
        ``objective(x)`` returns the loss and its gradient at the flat vector ``x``: what
        ``scipy.optimize.minimize(objective, objective.start, jac=True)`` asks for.

    Raises
    ------
    InputError
        An argument is wrong.

    Examples
    --------
    >>> import attrax as ax
    >>> lorenz = ax.systems.chaos.lorenz
    >>> end = ax.gradient(lambda t, s, p: s.z[-1], lorenz, 1.0, wrt=("rho", "x"))
    >>> value, slopes = end(end.start)
    >>> slopes.shape
    (2,)
    """
    check_system(system)
    if system.noise is not None:
        raise InputError(f"system {system.name!r} has noise; gradients are for systems without")
    if getattr(system, "events", None):
        raise InputError(f"system {system.name!r} has events; gradients are for systems without")
    start, end, keep = span(system, t_start, t_end, transient)
    method = method or ("tsit5" if system.kind == "flow" else "iterate")
    if system.kind == "flow":
        solver(method)
    times = samples(system, start, end, keep, sample)[:]
    step = None if dt is None else positive("dt", dt)
    most = whole("max_steps", max_steps, 1)
    ensemble = members(system, parameters, initial, 0)
    names = (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in names:
        if name not in ensemble.system.numeric and name not in ensemble.system.state:
            known = suggest(name, [*ensemble.system.numeric, *ensemble.system.state])
            raise InputError(f"wrt names {name!r}, which is no parameter or state block of {system.name!r}; {known}")
    if not names or len(set(names)) < len(names):
        raise InputError(f"wrt names each parameter or state block once, at least one; given: {names}")
    settings = (start, end, step, positive("rtol", rtol), positive("atol", atol), most)
    return Objective(loss, ensemble, names, method, settings, times)


class Objective:
    """A loss and its gradient, as a function of a flat vector. Made by :func:`gradient`.

    Attributes
    ----------
    names : tuple of str
        What the vector is made of.
    start : ndarray
        The vector of the present values.
    """

    def __init__(
        self,
        loss: Loss,
        ensemble: Members,
        names: tuple[str, ...],
        method: str,
        settings: tuple[Any, ...],
        times: np.ndarray,
    ):
        import jax

        self.names = names
        self._ensemble, self._loss = ensemble, loss
        self._method, self._settings, self._times = method, settings, times
        system, dims = ensemble.system, tuple(ensemble.dims.values())
        self._shapes, starts = {}, []
        for name in names:
            here, shape, where = self._place(name)
            swept = len(here) > 1 and (here[:, where] != here[:1, where]).any()
            self._shapes[name] = (*dims, *shape) if swept else shape
            starts.append(np.ravel(here[:, where] if swept else here[0, where]))
        self.start = np.concatenate(starts)
        self._both = jax.jit(jax.value_and_grad(self._value, has_aux=True))
        self._system = system

    def __repr__(self) -> str:
        return f"<loss of {self._system.name} with its gradient by {', '.join(self.names)}>"

    def __call__(self, x: Any) -> tuple[float, np.ndarray]:
        """The loss and its gradient at ``x``; infinite and zero where the integration fails."""
        import jax

        vector = np.asarray(x, dtype=float)
        if vector.shape != self.start.shape:
            told = ", ".join(f"{name} {shape}" for name, shape in self._shapes.items())
            raise InputError(f"expected a vector of {len(self.start)} numbers ({told}), not shape {vector.shape}")
        with jax.enable_x64(True):
            (value, complete), slopes = self._both(vector)
        if not complete:
            return np.inf, np.zeros_like(vector)
        return float(value), np.array(slopes)

    def unpack(self, x: Any) -> dict[str, np.ndarray]:
        """A vector's parameters and initial values by name, in their shapes."""
        found, first = {}, 0
        for name, shape in self._shapes.items():
            size = int(np.prod(shape))
            found[name] = np.asarray(x)[first : first + size].reshape(shape)
            first += size
        return found

    def _place(self, name: str) -> tuple[np.ndarray, tuple[int, ...], slice]:
        """The array ``(members, ...)`` in which a value lies, its shape, and its columns."""
        system = self._ensemble.system
        if name in system.state:
            return self._ensemble.y, system.state[name], system.state_slices[name]
        return self._ensemble.p, system.numeric[name], system.parameter_slices[name]

    def _value(self, x: Any) -> tuple[Any, Any]:
        import jax
        import jax.numpy as jnp

        ensemble, system = self._ensemble, self._ensemble.system
        dims = tuple(ensemble.dims.values())
        y, p, first = jnp.asarray(ensemble.y), jnp.asarray(np.ascontiguousarray(ensemble.p)), 0
        for name, shape in self._shapes.items():
            _, own, where = self._place(name)
            size = int(np.prod(shape))
            value = x[first : first + size].reshape((-1, int(np.prod(own))))
            first += size
            if name in system.state:
                y = y.at[:, where].set(value)
            else:
                p = p.at[:, where].set(value)
        if system.kind == "map":
            begin, end = (int(v) for v in self._settings[:2])
            raw = jax.vmap(partial(iterated, system, begin, end, self._times))(y, p)
            complete = jnp.isfinite(raw).all()
        else:
            solve = partial(integrated, system, self._method, self._settings)
            raw, codes, _, _ = jax.vmap(solve, (0, 0, None))(y, p, jnp.asarray(self._times))
            complete = (codes == DONE).all() & jnp.isfinite(raw).all()
        each = jax.vmap(jax.vmap(partial(_sampled, system), (0, 0, None)), (None, 0, 0))
        blocks = {k: v.reshape((*dims, *v.shape[1:])) for k, v in each(jnp.asarray(self._times), raw, p).items()}
        parameters = namespaces(system, jnp.asarray(self._times[0]), raw[0, 0], p[0])[1]
        value = jnp.asarray(
            self._loss(jnp.asarray(self._times), Namespace(blocks, "state block", system.name), parameters)
        )
        if value.shape != ():
            raise DeclarationError(f"the loss must return a number, not an array of shape {value.shape}")
        return value, complete


def _sampled(system: System, t: Any, y: Any, p: Any) -> dict[str, Any]:
    import jax.numpy as jnp

    states = {k: jnp.reshape(y[where], system.state[k]) for k, where in system.state_slices.items()}
    return states | system.observed(t, y, p)
