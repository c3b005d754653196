"""Events: conditions that trajectories meet, and what happens to them there.

A *located* event is a zero of a function ``g(t, s, p)`` along the trajectory; a *timed* one comes at given times.
Either may set state blocks to new values (a reset) or end the trajectory.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .declaration import suggest
from .errors import DeclarationError, InputError
from .expressions import Formula
from .program import Builder, Program

if TYPE_CHECKING:
    from .arrays import ArrayProgram
    from .system import System

Condition = Callable[[Any, Any, Any], Any]
Reset = Callable[..., Mapping[str, Any]]
SIDES = {"up": 1, "down": -1, "both": 0}
MOST_SINGLE = 40
"""Elements of an array to which an event is followed one by one, in straight-line code: 80 take a minute to compile."""


@dataclass(frozen=True)
class Event:
    """A located or timed event; made by :func:`event`.

    Attributes
    ----------
    function : function ``(t, s, p)``, or None for a timed event
    direction : "up", "down" or "both"
    reset : function ``(t, s, p)``, or None
    terminal : bool
    at : times (rising), or the name of a parameter that holds them; None for a located event
    rate : bool
        Whether the event is a zero of the time derivative of ``function``, so that it marks extrema.
    element : int, or None
        Where ``function`` gives an array: the element whose zero it is (see :func:`singly`).
    """

    function: Condition | None = None
    direction: str = "both"
    reset: Reset | None = None
    terminal: bool = False
    at: tuple[float, ...] | str | None = None
    rate: bool = False
    element: int | None = None

    @property
    def located(self) -> bool:
        """Whether its times have to be found."""
        return self.at is None

    @property
    def side(self) -> int:
        """1: g grows through zero; -1: it falls; 0: both count."""
        return SIDES[self.direction]


def event(
    function: Condition | None = None,
    *,
    direction: str = "both",
    reset: Reset | None = None,
    terminal: bool = False,
    at: Any = None,
) -> Event:
    """An event of a flow, for ``events={...}`` of :func:`attrax.flow` or :func:`attrax.simulate`.

    Parameters
    ----------
    function : function ``(t, s, p)``
        A smooth scalar g; the event is where it passes through zero along the trajectory. (A zero at the first time is
        none; nor is one that the trajectory touches without passing, but for rounding.) Or an array of them, such as
        ``s.v - p.threshold`` for all neurons of a network: the event happens to each element by itself.
    direction : "up", "down" or "both"
        Which passages count: g growing, falling, or either, as the integration goes.
    reset : function ``(t, s, p)``, or ``(t, s, p, passed)`` if g is an array
        ``{block: value after the event}``; blocks that are not named stay. The trajectory goes on from there.
        ``passed``, an array like g, is 1 for the elements to which the event happens and 0 for the others.
    terminal : bool
        Whether the trajectory ends there, with status ``event`` (after the reset, if there is one).
    at : times, or the name of a parameter
        In place of ``function``: the times, strictly increasing, at which the event comes (kicks). Times up to the
        first and after the last time of a run have no effect.

    Raises
    ------
    InputError
        An argument is wrong. Mistakes in the functions are reported when the system is first integrated.

    Examples
    --------
    >>> import attrax as ax
    >>> bounce = ax.event(lambda t, s, p: s.x, direction="down", reset=lambda t, s, p: {"v": -p.e * s.v})
    >>> kick = ax.event(at=[1.0, 2.0], reset=lambda t, s, p: {"v": s.v + p.strength})
    >>> spike = ax.event(
    ...     lambda t, s, p: s.v - 1.0,
    ...     direction="up",
    ...     reset=lambda t, s, p, passed: {"v": jnp.where(passed, 0.0, s.v) + p.w @ passed},
    ... )
    """
    if (function is None) == (at is None):
        raise InputError("an event needs either a function (t, s, p) or times (at=...), one of the two")
    for name, given in (("function", function), ("reset", reset)):
        if given is not None and not callable(given):
            raise InputError(f"the {name} of an event must be a function (t, s, p), not {given!r:.60}")
    if direction not in SIDES:
        raise InputError(f"direction {direction!r} of an event does not exist; {suggest(direction, SIDES)}")
    if not isinstance(terminal, bool):
        raise InputError(f"terminal must be True or False, not {terminal!r:.40}")
    if at is not None and reset is None and not terminal:
        raise InputError("an event at given times needs a reset, or terminal=True")
    if at is not None and _takes_passed(reset):
        raise InputError("the reset of an event at given times is a function (t, s, p), of no fourth argument")
    return Event(function, direction, reset, terminal, at if at is None else _times(at))


def as_event(system: System, given: Any, what: str = "event") -> Event:
    """What stands for an event: an :class:`Event`, a function ``(t, s, p)``, or a text; errors call it ``what``.

    Texts are ``"y = 0"`` (passed either way), ``"y > 0"`` (on the way up), ``"y < 0"`` (on the way down), ``"max x"``,
    ``"min x"``; both sides of a comparison may be formulas.
    """
    if isinstance(given, Event):
        return given
    if callable(given):
        return Event(given)
    if not isinstance(given, str):
        raise InputError(f"{what}: expected a text such as 'y = 0', a function or ax.event(...), not {given!r:.60}")
    if match := re.fullmatch(r"\s*(max|min)\s+(.+)", given):
        return Event(Formula(match[2], system), "down" if match[1] == "max" else "up", rate=True)
    sides = re.split(r"==?|<|>", given)
    if len(sides) != 2:
        raise InputError(f"{what} {given!r} is not understood; expected 'y = 0', 'y > 0', 'y < 0', 'max x' or 'min x'")
    for text in sides:
        Formula(text, system)
    direction = "up" if ">" in given else "down" if "<" in given else "both"
    return Event(Formula(f"({sides[0]}) - ({sides[1]})", system), direction)


def named(system: System, given: Any) -> dict[str, Event]:
    """The events of a system and those that a run asks for besides, by name, checked.

    ``given`` is a dictionary, or a text, or a sequence of texts, whose names are the texts in letters: ``y_above_0``.
    """
    if isinstance(given, str):
        given = (given,)
    if not isinstance(given, Mapping):
        if not isinstance(given, Sequence) or not all(isinstance(text, str) for text in given):
            raise InputError(
                f"events must be a dictionary {{name: ax.event(...)}} or texts as 'y > 0', not {given!r:.60}"
            )
        given = {_in_letters(text): text for text in given}
    for name in given:
        if not isinstance(name, str) or not name.isidentifier():
            raise InputError(f"{name!r} is no name for an event; expected one such as 'spike'")
        if name in system.events:
            raise InputError(f"system {system.name!r} has an event {name!r} already; choose another name")
    extra = {name: as_event(system, what) for name, what in given.items()}
    if extra and system.kind == "map":
        raise InputError(f"{system.name!r} is a map; events are for flows")
    return {**system.events, **extra}


def shape_of(system: System, name: str, what: Event) -> tuple[int, ...] | None:
    """Shape of the function of a located event that happens to each element by itself; None if it is a single one.

    Raises a DeclarationError if its reset does not fit.
    """
    key = ("shape of event", name, what)
    if key not in system._programs:
        system._programs[key] = _shape(system, what)  # type: ignore[assignment]
    shape: Any = system._programs[key]
    several = _takes_passed(what.reset)
    if math.prod(shape) == 1 and not several:
        return None
    if what.reset is not None and not several:
        raise DeclarationError(
            f"system {system.name!r}: event {name!r} happens to {math.prod(shape)} elements, each by itself; its reset "
            "must be a function (t, s, p, passed), with passed 1 for those to which it happens and 0 for the others"
        )
    return shape


def singly(system: System, events: Mapping[str, Event]) -> dict[str, Event]:
    """The events, with those that happen to each element of an array taken apart: ``spike[0]``, ``spike[1]``..."""
    found = {}
    for name, what in events.items():
        shape = shape_of(system, name, what) if what.located and what.element is None else None
        if shape is None:
            found[name] = what
        elif math.prod(shape) > MOST_SINGLE:
            raise InputError(
                f"event {name!r} of system {system.name!r} happens to {math.prod(shape)} elements; beside simulate, "
                f"which goes through them together, up to {MOST_SINGLE} are followed one by one"
            )
        else:
            found |= {f"{name}[{k}]": replace(what, element=k) for k in range(math.prod(shape))}
    return found


def check_declared(system: System) -> None:
    """Refuse what is wrong in the declared events without looking into their functions."""
    if system.events and (system.kind == "map" or system.noise is not None):
        kind = "a map" if system.kind == "map" else "a flow with noise"
        raise DeclarationError(f"system {system.name!r}: events are for flows without noise, but it is {kind}")
    for name, what in system.events.items():
        if not isinstance(what, Event):
            raise DeclarationError(f"system {system.name!r}: event {name!r} must be made by ax.event, not {what!r:.60}")
        if isinstance(what.at, str) and len(system.numeric.get(what.at, (0, 0))) > 1:
            raise DeclarationError(
                f"system {system.name!r}: the times of event {name!r} are those of {what.at!r}, which is no parameter "
                f"that is a list of times; {suggest(what.at, system.numeric)}"
            )


def conditions(system: System, events: Mapping[str, Event]) -> Program:
    """The program of the values ``g`` of located events and of their ``rate`` along the trajectory.

    Its inputs are ``t``, ``y``, ``p``, and the derivative ``f`` of the state.
    """
    found = {name: what for name, what in events.items() if what.located}

    def function(t, y, p, f):
        import jax
        import jax.numpy as jnp

        values, rates = [], []
        for name, what in found.items():
            of = partial(_value, system, name, what, p=p)
            value, rate = jax.jvp(of, (t[0], y), (jnp.ones(()), f))
            values.append(value)
            rates.append(rate)
        return {"g": jnp.stack(values), "rate": jnp.stack(rates)}

    program = system.derive(("conditions", tuple(found.items())), function, **_sizes(system), f=system.dimension)
    generator = np.random.default_rng(0)
    some = {k: generator.normal(size=(size, 8)) for k, size in program.inputs.items()}
    seen = program(**some)["g"]
    for name, value, numbers in zip(found, program.outputs["g"], seen, strict=True):
        if (numbers == 0.0).all() or not _read(program, value) & {"t", "y"}:
            raise InputError(
                f"system {system.name!r}: event {name!r} depends neither on the state nor on time, so that it is "
                "always or never zero"
            )
    return program


def array_conditions(system: System, events: Mapping[str, Event]) -> ArrayProgram:
    """The array program of the values ``g`` of all elements of events (of what has extrema, for those; -1 if timed)."""
    import jax.numpy as jnp

    from .array_quantities import derive_arrays

    def function(t, y, p, couplings):
        found = [_given(system, w, t, y, p, couplings) if w.located else -jnp.ones(1) for w in events.values()]
        return {"g": jnp.concatenate([jnp.ravel(values) for values in found])}

    program = derive_arrays(system, ("conditions", tuple(events.items())), function)
    read = {access.buffer for stage in program.stages for o in stage for access in o.accesses}
    if not read & {"in y", "in t"} and any(what.located for what in events.values()):
        raise InputError(
            f"system {system.name!r}: events {', '.join(events)} depend neither on the state nor on time, so that they "
            "are always or never zero"
        )
    return program


def array_reset(system: System, name: str, what: Event, shape: tuple[int, ...] | None) -> ArrayProgram:
    """The array program of the state ``y`` after an event to the elements ``passed`` (an array of ``shape``).

    What they send by a sparse coupling ``w``, the product ``p.w @ passed``, is its input ``arrived.w``.
    """
    from .array_quantities import derive_arrays
    from .coupling import Sparse

    sends = {k: c.shape for k, c in system.couplings.items() if isinstance(c, Sparse) and shape == c.shape[1:]}

    def function(t, y, p, couplings, passed, *arrived):
        told = None if shape is None else passed.reshape(shape)
        couplings = dict(couplings)
        for each, values in zip(sends, arrived, strict=True):
            couplings[each] = couplings[each].delivering(told, values)
        return {"y": _reset(system, name, what, t, y, p=p, passed=told, couplings=couplings)}

    received = {f"arrived.{each}": (count,) for each, (count, _) in sends.items()}
    return derive_arrays(system, ("reset", name, what), function, passed=(math.prod(shape or ()),), **received)


def landing(system: System, events: Mapping[str, Event]) -> Program:
    """The program of the state ``y`` after event number ``which``, from ``t``, ``y`` and ``p`` before."""

    def after(b: Builder, name: str, what: Event, given: dict[str, list[int]]) -> list[int]:
        return b.inline(reset(system, name, what), given)["y"]

    return by_number(events, after, y=system.dimension, p=system.parameter_vector.size)


def by_number(events: Mapping[str, Event], after: Callable[..., list[int]], **sizes: int) -> Program:
    """A program that chooses between the resets of events by the input ``which``, the number of an event.

    ``after(builder, name, event, inputs)`` writes the values that take the place of the block ``y``.
    """
    b = Builder()
    given = {name: b.input(name, size) for name, size in {"t": 1, **sizes}.items()}
    (which,) = b.input("which", 1)
    result = list(given["y"])
    for number, (name, what) in enumerate(ordered(events).items()):
        if what.reset is not None:
            here = b.eq(which, b.constant(float(number)))
            new = after(b, name, what, given)
            result = [b.select(here, u, v) for u, v in zip(new, result, strict=True)]
    return b.program({"y": result})


def ordered(events: Mapping[str, Event]) -> dict[str, Event]:
    """Located events before timed ones: the order in which they are numbered."""
    return dict(sorted(events.items(), key=lambda item: not item[1].located))


def reset(system: System, name: str, what: Event) -> Program:
    """The program of the state ``y`` after an event, from ``t``, ``y`` and ``p`` before."""

    def function(t, y, p):
        return {"y": _reset(system, name, what, t[0], y, p=p)}

    return system.derive(("reset", name, what), function, **_sizes(system))


def displacement(system: System, name: str, what: Event) -> Program:
    """The program of ``Sv``: where an event takes a small displacement ``v`` of the state before it.

    For a located event ``S = DR + (f+ - DR f- - R_t) grad(g)^T / (grad(g) f- + g_t)``, with the reset ``R`` and the
    derivatives ``f-`` and ``f+`` of the state before and after (Aizerman & Gantmakher 1958; Leine & Nijmeijer 2004,
    *Dynamics and Bifurcations of Non-Smooth Mechanical Systems*, 7.5).
    """

    def function(t, y, p, v):
        return {"Sv": _displaced(system, name, what, t[0], y, p, v)}

    return system.derive(("displacement", name, what), function, **_sizes(system), v=system.dimension)


def saltation(system: System, name: str, what: Event) -> Program:
    """The program of the matrix ``S`` of :func:`displacement`, row by row."""
    return system.derive(
        ("saltation", name, what), lambda t, y, p: {"S": _matrix(system, name, what, t[0], y, p)}, **_sizes(system)
    )


def volume(system: System, name: str, what: Event) -> Program:
    """The program of the logarithm of the ``volume`` after an event over that before it, log |det S|."""

    def function(t, y, p):
        import jax.numpy as jnp

        return {"volume": jnp.log(jnp.abs(jnp.linalg.det(_matrix(system, name, what, t[0], y, p))))}

    return system.derive(("volume", name, what), function, **_sizes(system))


def digest(system: System) -> str:
    """What the events of a system compute, in letters."""
    from .array_quantities import is_large

    kinds = [(name, what.direction, what.terminal, what.at) for name, what in system.events.items()]
    if is_large(system) or any(what.located and shape_of(system, name, what) for name, what in system.events.items()):
        return f"{kinds}{_texts(system)}"
    programs = [landing(system, system.events)]
    if any(what.located for what in system.events.values()):
        programs.append(conditions(system, system.events))
    return f"{kinds}{[program.digest for program in programs]}"


def refuse(system: System, what: str) -> None:
    """Raise an InputError if the system has resets, which ``what`` does not follow."""
    if resets := [name for name, event in system.events.items() if event.reset is not None]:
        raise InputError(f"{what} does not follow the reset of event {resets[0]!r} of system {system.name!r}")


# -- inside --------------------------------------------------------------------------------------------------


def _times(at: Any) -> tuple[float, ...] | str:
    if isinstance(at, str):
        return at
    try:
        times = np.atleast_1d(np.asarray(at, dtype=float))
    except (TypeError, ValueError):
        times = np.zeros((0, 0))
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise InputError(f"at must be strictly increasing times, or the name of a parameter, not {at!r:.60}")
    return tuple(times.tolist())


def _in_letters(text: str) -> str:
    for sign, word in ((">", " above "), ("<", " below "), ("==", " equals "), ("=", " equals "), ("-", " minus ")):
        text = text.replace(sign, word)
    return re.sub(r"\W+", "_", text.strip()).strip("_")


def _value(system: System, name: str, what: Event, t: Any, y: Any, *, p: Any) -> Any:
    """The condition of a located event at a flat state, a JAX scalar."""
    import jax
    import jax.numpy as jnp

    def of(t, y):
        value = _given(system, what, t, y, p)
        if what.element is not None:
            return value.ravel()[what.element]
        if value.size != 1:
            raise DeclarationError(
                f"system {system.name!r}: event {name!r} has {value.size} elements; expected one, as in 'x[0] = 0'"
            )
        return value.reshape(())

    if what.rate:
        return jax.jvp(of, (t, y), (jnp.ones_like(t), system.flat(t, y, p)))[1]
    return of(t, y)


def _given(system: System, what: Event, t: Any, y: Any, p: Any, couplings: Mapping[str, Any] | None = None) -> Any:
    """What the function of a located event gives, a JAX array."""
    import jax.numpy as jnp

    from .quantities import namespaces

    return jnp.asarray(what.function(t, *namespaces(system, t, y, p, couplings)), dtype=float)  # type: ignore[misc]


def _shape(system: System, what: Event) -> tuple[int, ...]:
    """Shape of what the function of a located event gives."""
    import jax

    from . import quantities

    def function(t, y, p, *given):
        return _given(system, what, t, y, p, quantities.bound_couplings(system, given))

    with jax.enable_x64(True):
        return tuple(jax.eval_shape(function, *quantities.abstract_inputs(system)).shape)


def _takes_passed(reset: Reset | None) -> bool:
    """Whether a reset is told to which elements the event happens."""
    if reset is None:
        return False
    try:
        given = inspect.signature(reset).parameters.values()
    except (TypeError, ValueError):
        return False
    return sum(q.default is q.empty and q.kind in (q.POSITIONAL_ONLY, q.POSITIONAL_OR_KEYWORD) for q in given) == 4


def _reset(
    system: System,
    name: str,
    what: Event,
    t: Any,
    y: Any,
    *,
    p: Any,
    passed: Any = None,
    couplings: Mapping[str, Any] | None = None,
) -> Any:
    """The flat state after an event (to the elements in ``passed``), as a JAX function of that before."""
    import jax.numpy as jnp

    from .quantities import namespaces

    if what.reset is None:
        return y
    if what.element is not None:
        shape = _given(system, what, t, y, p).shape
        passed = jnp.asarray(np.eye(1, math.prod(shape), what.element).reshape(shape))
    given = what.reset(t, *namespaces(system, t, y, p, couplings), *(() if passed is None else (passed,)))
    where = f"system {system.name!r}: the reset of event {name!r}"
    if not isinstance(given, Mapping):
        raise DeclarationError(f"{where} must return a dictionary {{block: value}}, not {type(given).__name__}")
    blocks = {k: y[s].reshape(system.state[k]) for k, s in system.state_slices.items()}
    for block, value in given.items():
        if block not in system.shapes:
            raise DeclarationError(f"{where} names {block!r}, which is no state block; {suggest(block, system.shapes)}")
        if block in system.frozen:
            continue
        new = jnp.asarray(value, dtype=float)
        if new.shape != system.state[block]:
            raise DeclarationError(
                f"{where} gives {block!r} the shape {new.shape}, but the block has shape {system.state[block]}"
            )
        blocks[block] = new
    return jnp.concatenate([jnp.ravel(v) for v in blocks.values()])


def _texts(system: System) -> list[str]:
    """The functions and resets of events, for JAX."""
    import jax

    from . import quantities

    found = []
    with jax.enable_x64(True):
        for name, what in system.events.items():
            shape = shape_of(system, name, what) if what.located else None

            def both(t, y, p, *given, name=name, what=what, shape=shape):
                couplings = quantities.bound_couplings(system, given)
                value = _given(system, what, t, y, p, couplings) if what.located else t
                told = None if shape is None else np.ones(shape)
                return value, _reset(system, name, what, t, y, p=p, passed=told, couplings=couplings)

            found.append(str(jax.make_jaxpr(both)(*quantities.abstract_inputs(system))))
    return found


def _sizes(system: System) -> dict[str, int]:
    return {"t": 1, "y": system.dimension, "p": system.parameter_vector.size}


def _matrix(system: System, name: str, what: Event, t: Any, y: Any, p: Any) -> Any:
    """The saltation matrix, as a JAX function."""
    import jax
    import jax.numpy as jnp

    return jax.vmap(partial(_displaced, system, name, what, t, y, p))(jnp.eye(system.dimension)).T


def _displaced(system: System, name: str, what: Event, t: Any, y: Any, p: Any, v: Any) -> Any:
    """Where an event takes a displacement ``v``, as a JAX function."""
    import jax
    import jax.numpy as jnp

    reset = partial(_reset, system, name, what, p=p)
    if not what.located:
        return jax.jvp(partial(reset, t), (y,), (v,))[1]
    of = partial(_value, system, name, what, p=p)
    before = system.flat(t, y, p)
    rate = jax.jvp(of, (t, y), (jnp.ones(()), before))[1]
    delay = -jax.jvp(partial(of, t), (y,), (v,))[1] / rate
    after, moved = jax.jvp(reset, (t, y), (delay, v + delay * before))
    return moved - delay * system.flat(t, after, p)


def _read(program: Program, value: int) -> set[str]:
    """The input blocks that a value depends on."""
    found, seen, stack = set(), set(), [value]
    while stack:
        v = stack.pop()
        if v not in seen:
            seen.add(v)
            i = program.instructions[v]
            stack.extend(i.arguments)
            if i.op == "input":
                found.add(i.payload[0])
    return found


def degree(program: Program, value: int, blocks: Iterable[str] = ("t", "y")) -> float:
    """Degree of a value as a polynomial of the inputs in ``blocks``; infinite if it is none."""
    degrees: list[float] = []
    for i in program.instructions[: value + 1]:
        of = [degrees[a] for a in i.arguments]
        match i.op:
            case "constant":
                degrees.append(0)
            case "input":
                degrees.append(float(i.payload[0] in blocks))
            case "neg" | "add" | "sub":
                degrees.append(max(of))
            case "mul":
                degrees.append(sum(of))
            case "fma":
                degrees.append(max(of[0] + of[1], of[2]))
            case "div" if of[1] == 0:
                degrees.append(of[0])
            case _:
                degrees.append(0 if max(of, default=0) == 0 else math.inf)
    return degrees[value]
