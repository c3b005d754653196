"""A system with small deviations from its state, as a system of its own."""

from __future__ import annotations

from typing import Any

from ...engine import quantities
from ...engine.errors import InputError
from ...engine.system import System

NAME = "deviation"


def with_deviations(system: System, k: int) -> System:
    """The system whose state is that of ``system``, flat, and ``k`` deviation vectors that obey its exact derivative.

    Blocks ``state`` (n,) and ``deviation`` (k, n). Noise moves both: deviations by the derivative of its amplitudes.
    """
    if system.events:
        raise InputError(f"{system.name!r} has events; deviations are those of smooth systems")
    n = system.dimension
    places = dict(system.parameter_slices)

    def flat(p: Any) -> Any:
        import jax.numpy as jnp

        parts = [jnp.ravel(p[name]) for name in places]
        return jnp.concatenate(parts) if parts else jnp.zeros(0)

    def moved(t: Any, s: Any, p: Any) -> dict[str, Any]:
        import jax

        parameters = flat(p)
        along = jax.vmap(lambda v: jax.jvp(lambda y: system.flat(t, y, parameters), (s.state,), (v,))[1])
        return {"state": system.flat(t, s.state, parameters), NAME: along(s[NAME])}

    def noise(t: Any, s: Any, p: Any) -> dict[str, Any]:
        import jax
        import jax.numpy as jnp

        parameters = flat(p)

        def amplitudes(y: Any) -> Any:
            given = quantities.amplitudes(system, t, y, parameters)
            return jnp.diag(given) if given.ndim == 1 else given  # one Wiener process each, that deviations share

        along = jax.vmap(lambda v: jax.jvp(amplitudes, (s.state,), (v,))[1])
        return {"state": amplitudes(s.state), NAME: along(s[NAME])}

    return System(
        name=f"{system.name} with deviations",
        kind=system.kind,
        function=moved,
        shapes={"state": (n,), NAME: (k, n)},
        declared={name: each for name, each in system.parameters.items() if not each.structural},
        starts={"state": system.initial_vector},
        observables={},
        noise=None if system.noise is None else noise,
        interpretation=system.interpretation,
        time_unit=system.time_unit,
    )
