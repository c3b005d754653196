"""What a system is: a function of JAX arrays with named state blocks and parameters, immutable.

Everything else, machine code and derivatives included, is derived from the function by tracing it
(:mod:`attrax.engine.tracing`).
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import inspect
import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from . import events as happenings
from . import quantities
from .array_quantities import evaluate_arrays, is_large
from .coupling import Coupling
from .declaration import Draw, Known, Namespace, Parameter, Shape, suggest
from .errors import DeclarationError, InputError, UnsupportedPrimitive
from .events import Event
from .program import Program
from .stream import KEY, Stream

Function = Callable[[Any, Any, Any], Mapping[str, Any]]
LARGEST_HASHED = 200
"""Systems of more states are not unrolled only to be named."""


def flow(**declaration: Any) -> Callable[[Function], System]:
    """Declare a flow: the decorated ``function(t, s, p)`` returns the time derivative of each state block.

    Parameters
    ----------
    state : dict
        Shape of each state block: ``()`` for a number, ``("n",)`` or ``(3,)`` for arrays; names in a shape
        are integer parameters.
    parameters : dict
        Default of each parameter, or :func:`attrax.parameter` with unit and meaning.
    initial : dict
        Initial value of each block: a number or an array, ``attrax.uniform``/``attrax.normal`` to draw it,
        or a function of the structural parameters. Zero where it is not given.
    observables : dict
        Named functions ``(t, s, p)`` of the state, recorded beside it.
    slow : tuple of str
        Blocks that adapt slowly (the slow subsystem).
    check : function
        ``(s, p)`` of NumPy initial values and parameters, of many members at once with an axis in front, which raises
        InputError for values that make no sense.
    inputs : dict
        What arrives from outside, by name: streams of :mod:`attrax.stream`, read in the function like parameters,
        ``p.x``. A map gets a new value at every iteration, a flow one that stays for the stream's ``hold``.
    noise : function
        Amplitudes of white noise, ``(t, s, p) -> {block: amplitude}``. An amplitude of the block's shape multiplies a
        Wiener process of each component (diagonal noise); one with an extra last axis, the same for all blocks,
        multiplies Wiener processes that all components share. Blocks that are not named have no noise.
    interpretation : "ito" or "stratonovich"
        What an amplitude that depends on the state means.
    events : dict
        Named events (:func:`attrax.event`): what happens where the trajectory meets a condition, or at given times.
        Their times are recorded by :func:`attrax.simulate`. At the same time, they happen in the order declared.
    time_unit : str
        Unit of time; empty if time is dimensionless.
    source : str
        The paper and equation that the function implements.
    known : sequence of Known
        Published or exact values, checked by the tests.
    name : str
        Name, by default the function's (with its family before it in the catalogue).

    Raises
    ------
    DeclarationError
        If a name, shape or value of the declaration is wrong. Mistakes in the function itself are
        reported when it is first used.

    Examples
    --------
    >>> import attrax as ax
    >>> @ax.flow(state={"x": ()}, parameters={"rate": 1.0}, initial={"x": 1.0})
    ... def decay(t, s, p):
    ...     return {"x": -p.rate * s.x}
    """
    return lambda function: _declare("flow", function, **declaration)


def map(**declaration: Any) -> Callable[[Function], System]:
    """Declare a map: the decorated ``function(t, s, p)`` returns the next value of each state block.

    ``t`` is the number of the iteration. All else is as in :func:`flow`.
    """
    return lambda function: _declare("map", function, **declaration)


def _declare(
    kind: str,
    function: Function,
    *,
    state: Mapping[str, Shape],
    parameters: Mapping[str, Any] | None = None,
    initial: Mapping[str, Any] | None = None,
    observables: Mapping[str, Function] | None = None,
    slow: tuple[str, ...] = (),
    inputs: Mapping[str, Stream] | None = None,
    check: Callable[[Any, Any], None] | None = None,
    noise: Function | None = None,
    interpretation: str = "ito",
    events: Mapping[str, Event] | None = None,
    time_unit: str = "",
    source: str = "",
    known: tuple[Known, ...] = (),
    name: str | None = None,
) -> System:
    name = name or _catalogue_name(function)
    declared = {k: v if isinstance(v, Parameter) else Parameter(v) for k, v in (parameters or {}).items()}
    shapes = {k: (v,) if isinstance(v, (str, int)) else tuple(v) for k, v in state.items()}
    system = System(
        name=name,
        kind=kind,
        function=function,
        shapes=shapes,
        declared=declared,
        starts=dict(initial or {}),
        observables=dict(observables or {}),
        slow=(slow,) if isinstance(slow, str) else tuple(slow),
        inputs=dict(inputs or {}),
        check=check,
        noise=noise,
        interpretation=interpretation,
        events=dict(events or {}),
        time_unit=time_unit,
        source=source,
        known=tuple(known),
    )
    system._check()
    return system


def _catalogue_name(function: Function) -> str:
    parts = function.__module__.split(".systems.")
    family = parts[1].split(".")[0] + "." if len(parts) == 2 and parts[0] == "attrax" else ""
    return family + function.__name__


@dataclass(frozen=True, eq=False)
class System:
    """An immutable dynamical system. Make one with :func:`flow` or :func:`map`.

    Attributes
    ----------
    name, kind, source, time_unit : str
        Its name, ``"flow"`` or ``"map"``, the paper that it is taken from, the unit of time.
    state : dict of str to tuple of int
        Shape of each state block.
    parameters : dict of str to Parameter
        Parameters with their values, units and meanings.
    initial : dict of str to ndarray
        Initial values (those to be drawn are drawn with seed 0).
    observables : dict of str to function
        Named functions of the state.
    events : dict of str to Event
        Named events.
    dimension : int
        Number of scalars in the state.
    """

    name: str
    kind: str
    function: Function
    shapes: dict[str, Shape]
    declared: dict[str, Parameter]
    starts: dict[str, Any]
    observables: dict[str, Function]
    slow: tuple[str, ...] = ()
    inputs: dict[str, Stream] = field(default_factory=dict)
    check: Callable[[Any, Any], None] | None = None
    noise: Function | None = None
    interpretation: str = "ito"
    events: dict[str, Event] = field(default_factory=dict)
    time_unit: str = ""
    source: str = ""
    known: tuple[Known, ...] = ()
    frozen: tuple[str, ...] = ()
    _programs: dict[Any, Program] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        blocks = ", ".join(f"{k}{list(v) if v else ''}" for k, v in self.state.items())
        values = ", ".join(f"{k}={_short(v.value)}" for k, v in self.parameters.items())
        return f"<{self.kind} {self.name}: state {blocks}; parameters {values or 'none'}>"

    @property
    def doc(self) -> str:
        """The docstring of its function."""
        return inspect.getdoc(self.function) or ""

    # -- shapes and values ---------------------------------------------------------------------

    @cached_property
    def structure(self) -> dict[str, int]:
        """The integer parameters."""
        return {k: int(v.value) for k, v in self.declared.items() if v.structural}

    @cached_property
    def state(self) -> dict[str, tuple[int, ...]]:
        """Shape of each state block."""
        return {k: self._shape(k, v) for k, v in self.shapes.items() if k not in self.frozen}

    @cached_property
    def state_dims(self) -> dict[str, tuple[str, ...]]:
        """Name of each axis of each block: the integer parameter in its shape, else ``<block>_<axis>``."""
        return {
            k: tuple(d if isinstance(d, str) else f"{k}_{axis}" for axis, d in enumerate(self.shapes[k]))
            for k in self.state
        }

    @cached_property
    def parameters(self) -> dict[str, Parameter]:
        """Parameters with their values (arrays computed, frozen blocks included)."""
        p = Namespace(self.structure, "structural parameter", self.name)
        values = {k: replace(v, value=_array(v.value(p))) if callable(v.value) else v for k, v in self.declared.items()}
        for block in self.frozen:
            start = self._start(block, np.random.default_rng(0))
            values[block] = Parameter(float(start) if start.ndim == 0 else start, meaning="frozen state block")
        return values

    @cached_property
    def couplings(self) -> dict[str, Coupling]:
        """The parameters that are couplings."""
        return {k: v.value for k, v in self.parameters.items() if isinstance(v.value, Coupling)}

    @cached_property
    def initial(self) -> dict[str, np.ndarray]:
        """Initial value of each block."""
        return self.draw_initial(0)

    def draw_initial(self, seed: int) -> dict[str, np.ndarray]:
        """Initial value of each block, those that are distributions drawn with ``seed``."""
        generator = np.random.default_rng(seed)
        return {k: self._start(k, generator) for k in self.state}

    @cached_property
    def dimension(self) -> int:
        """Number of scalars in the state."""
        return sum(math.prod(v) for v in self.state.values())

    @cached_property
    def state_slices(self) -> dict[str, slice]:
        """Where each block lies in the flat state vector."""
        return _slices(self.state)

    @cached_property
    def numeric(self) -> dict[str, tuple[int, ...]]:
        """Shape of each parameter that is a number or an array of them, in the order of the flat parameter vector."""
        plain = {k: v.value for k, v in self.parameters.items() if not (v.structural or isinstance(v.value, Coupling))}
        return {k: np.shape(value) for k, value in plain.items()}

    @cached_property
    def parameter_slices(self) -> dict[str, slice]:
        """Where each parameter lies in the flat parameter vector."""
        return _slices(self.numeric)

    @cached_property
    def parameter_vector(self) -> np.ndarray:
        """The values of all parameters that are not structural, flat; behind them what random inputs depend on."""
        values = [np.ravel(self.parameters[k].value) for k in self.numeric]
        return np.concatenate([*values, np.zeros(KEY if self.inputs else 0)]).astype(float)

    @cached_property
    def initial_vector(self) -> np.ndarray:
        """The initial state, flat."""
        return np.concatenate([np.ravel(v) for v in self.initial.values()])

    @cached_property
    def component_names(self) -> tuple[str, ...]:
        """Name of each scalar of the flat state: ``x`` or ``x[0]``, ``w[0, 1]``."""
        return tuple(
            f"{k}[{', '.join(str(i) for i in index)}]" if shape else k
            for k, shape in self.state.items()
            for index in np.ndindex(*shape)
        )

    @cached_property
    def streams(self) -> dict[str, Stream]:
        """The input streams, with the rows of those that depend on structural parameters."""
        structure = Namespace(self.structure, "structural parameter", self.name)
        return {name: stream.bound(structure) for name, stream in self.inputs.items()}

    @cached_property
    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each input."""
        return {name: self._shape(name, stream.shape or (), "input") for name, stream in self.streams.items()}

    @cached_property
    def observable_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each observable."""
        if not self.observables:
            return {}
        import jax

        with jax.enable_x64(True):
            found = jax.eval_shape(
                lambda t, y, p, *given: quantities.observed(self, t, y, p, quantities.bound_couplings(self, given)),
                *quantities.abstract_inputs(self),
            )
            return {name: value.shape for name, value in found.items()}

    # -- other systems from this one -------------------------------------------------------------

    def with_parameters(self, **values: Any) -> System:
        """The system with other parameter values; a new structural value may change its shape."""
        declared, starts = dict(self.declared), dict(self.starts)
        for name, value in values.items():
            if name in self.frozen:
                starts[name] = value
                continue
            if name not in declared:
                raise InputError(f"system {self.name!r} has no parameter {name!r}; {suggest(name, self.parameters)}")
            declared[name] = replace(declared[name], value=self._checked(name, value))
        structure = {k: v.value for k, v in declared.items() if v.structural}
        fitting = structure == self.structure and not any(k in self.couplings for k in values)
        if fitting:
            for name in values:
                if name in self.frozen or callable(declared[name].value):
                    continue
                given, shape = np.shape(declared[name].value), self.numeric.get(name)
                if name in self.numeric and given != shape:
                    raise InputError(f"parameter {name!r} of system {self.name!r} has shape {shape}, not {given}")
            if not any(name in self.frozen or callable(declared[name].value) for name in values):
                return self._with_numbers(declared)
        programs = self._programs if fitting else {}
        system = replace(self, declared=declared, starts=starts, _programs=programs)
        system._check()
        return system

    def _with_numbers(self, declared: dict[str, Parameter]) -> System:
        """The same system but for numbers: all that does not depend on them is kept."""
        system = copy.copy(self)
        for name in ("parameters", "parameter_vector"):
            system.__dict__.pop(name, None)
        system.__dict__["declared"] = declared
        system.check_values(system.initial_vector, system.parameter_vector)
        return system

    def with_initial(self, **values: Any) -> System:
        """The system with other initial values (numbers, arrays or distributions)."""
        for name in values:
            if name not in self.state:
                raise InputError(f"system {self.name!r} has no state block {name!r}; {suggest(name, self.state)}")
        system = replace(self, starts={**self.starts, **values})
        system._check()
        return system

    def with_inputs(self, **streams: Stream) -> System:
        """The system with other input streams; one that is given no shape gets that of the input it replaces."""
        inputs = dict(self.inputs)
        for name, stream in streams.items():
            if name not in inputs:
                raise InputError(f"system {self.name!r} has no input {name!r}; {suggest(name, inputs)}")
            if isinstance(stream, Stream) and stream.shape == ():
                stream = replace(stream, shape=self.input_shapes[name])
            inputs[name] = stream
        system = replace(self, inputs=inputs, _programs={})
        system._check()
        for name in streams:
            if system.input_shapes[name] != self.input_shapes[name]:
                raise InputError(
                    f"input {name!r} of system {self.name!r} has shape {self.input_shapes[name]}, "
                    f"not {system.input_shapes[name]}"
                )
        return system

    def with_events(self, **events: Event) -> System:
        """The system with more events (:func:`attrax.event`), or with others of the same names."""
        system = replace(self, events={**self.events, **events}, _programs={})
        system._check()
        return system

    def freeze(self, *blocks: str) -> System:
        """The fast subsystem: ``blocks`` become parameters, with their initial values as defaults."""
        for name in blocks:
            if name not in self.state:
                raise InputError(f"system {self.name!r} has no state block {name!r}; {suggest(name, self.state)}")
        if len(blocks) == len(self.state):
            raise InputError(f"freezing {', '.join(blocks)} leaves no state in system {self.name!r}")
        return replace(self, frozen=self.frozen + blocks, _programs={})

    # -- derived programs --------------------------------------------------------------------------

    def program(self, quantity: str = "rhs") -> Program:
        """The straight-line program of a quantity, from the flat inputs ``t``, ``y`` and ``p``.

        ``rhs`` (block ``f``: derivative or next state), ``jacobian`` (``J`` = df/dy, row by row), ``linearisation``
        (``f``, ``J`` and ``ft`` = df/dt), ``parameter_jacobian`` (``Jp`` = df/dp), ``jvp`` (``Jv`` for the extra input
        ``v``), ``second_derivative`` (``B`` = D2f[v, w] for the extra inputs ``v`` and ``w``), ``noise`` (``g`` or
        ``G``, ``Dg``, ``c``), or the name of an observable (block of that name).
        """
        if quantity not in self._programs:
            self._programs[quantity] = quantities.program(self, quantity)
        return self._programs[quantity]

    def expression(self, function: Function, *, rate: bool = False) -> Program:
        """The program (block ``value``) of a function ``(t, s, p)``, or with ``rate`` of its time derivative."""
        key = ("expression", function, rate)
        if key not in self._programs:
            self._programs[key] = quantities.expression(self, function, rate=rate)
        return self._programs[key]

    def derive(self, key: Hashable, function: Callable[..., dict[str, Any]], **inputs: int) -> Program:
        """The program of a JAX ``function`` of flat input blocks of these sizes, traced once and kept under ``key``.

        ``function`` may use :meth:`flat`; it must be the same for all parameter values.
        """
        if (key := ("derived", key)) not in self._programs:
            from .tracing import trace

            self._programs[key] = trace(function, {k: (size,) for k, size in inputs.items()}, name=self.name)
        return self._programs[key]

    @cached_property
    def autonomous(self) -> bool:
        """Whether the right-hand side does not depend on time."""
        return all(i.op != "input" or i.payload[0] != "t" for i in self.program("rhs").instructions)

    @cached_property
    def single_events(self) -> dict[str, Event]:
        """Its events; those that happen to each element of an array one by one, as ``spike[0]``, ``spike[1]``..."""
        return happenings.singly(self, self.events)

    @cached_property
    def source_hash(self) -> str:
        """Hash of what the right-hand side and the events compute."""
        if not self.events:
            return self._rhs_hash
        return hashlib.sha256((self._rhs_hash + happenings.digest(self)).encode()).hexdigest()[:16]

    @cached_property
    def _rhs_hash(self) -> str:
        """Hash of what the right-hand side computes (of its text for JAX, where it is not or hardly unrolled)."""
        if self.dimension <= LARGEST_HASHED and not is_large(self):
            with contextlib.suppress(UnsupportedPrimitive):
                return self.program("rhs").digest[:16]
        import jax

        with jax.enable_x64(True):
            text = str(
                jax.make_jaxpr(
                    lambda t, y, p, *given: quantities.flat(self, t, y, p, quantities.bound_couplings(self, given))
                )(*quantities.abstract_inputs(self))
            )
            return hashlib.sha256(text.encode()).hexdigest()[:16]

    def flat(self, t, y, p):
        """The right-hand side as a JAX function of flat vectors: state ``y`` (dimension,), parameters ``p``."""
        return quantities.flat(self, t, y, p)

    def observed(self, t, y, p):
        """The observables by name, as a JAX function like :meth:`flat`."""
        return quantities.observed(self, t, y, p)

    # -- numbers --------------------------------------------------------------------------------------

    def rhs(self, state: Any = None, t: float = 0.0) -> dict[str, np.ndarray]:
        """Derivative (flow) or next value (map) of each block at ``state`` (default: the initial one).

        ``state`` is a dictionary of blocks or a flat array ``(..., dimension)``.
        """
        flat = self._evaluate("rhs", "f", state, t)
        return self.unpack(flat)

    def jvp(self, v: Any, state: Any = None, t: float = 0.0) -> np.ndarray:
        """Product of the exact Jacobian with flat vectors ``v`` ``(..., dimension)``, without the Jacobian itself.

        For systems of many states, as iterative solvers ask for it.
        """
        y, v = self.pack(state), np.asarray(v, dtype=float)
        shape = np.broadcast_shapes(y.shape, v.shape)
        y, v = (np.broadcast_to(a, shape).reshape(-1, self.dimension) for a in (y, v))
        if is_large(self):
            return evaluate_arrays(self, "jvp", y, t, v=v).reshape(shape)
        from .evaluation import evaluate

        result = evaluate(self.program("jvp"), t=[t], y=y.T, v=v.T, p=self.parameter_vector)["Jv"]
        return result.T.reshape(shape)

    def jacobian(self, state: Any = None, t: float = 0.0) -> np.ndarray:
        """Exact Jacobian df/dy, shape ``(..., dimension, dimension)``, at ``state`` (see :meth:`rhs`)."""
        flat = self._evaluate("jacobian", "J", state, t)
        return flat.reshape(*flat.shape[:-1], self.dimension, self.dimension)

    def saltation(self, event: str, state: Any = None, t: float = 0.0) -> np.ndarray:
        """Exact derivative of the passage through an event, shape ``(..., dimension, dimension)``.

        It takes a small displacement at time ``t`` from ``state``, just before the event, to the displacement just
        after it: the saltation matrix. For a state that is not on the event's surface it means nothing.
        """
        if event not in self.single_events:
            raise InputError(f"system {self.name!r} has no event {event!r}; {suggest(event, self.single_events)}")
        from .evaluation import evaluate

        y = self.pack(state)
        program = happenings.saltation(self, event, self.single_events[event])
        result = evaluate(program, t=[t], y=y.reshape(-1, self.dimension).T, p=self.parameter_vector)["S"]
        return result.T.reshape(*y.shape[:-1], self.dimension, self.dimension)

    def parameter_derivative(self, name: str, state: Any = None, t: float = 0.0) -> np.ndarray:
        """Exact derivative of the right-hand side by parameter ``name``, shape ``(..., dimension, *its shape)``."""
        if name not in self.numeric:
            raise InputError(f"system {self.name!r} has no such parameter {name!r}; {suggest(name, self.numeric)}")
        flat = self._evaluate("parameter_jacobian", "Jp", state, t)
        full = flat.reshape(*flat.shape[:-1], self.dimension, -1)[..., self.parameter_slices[name]]
        return full.reshape((*full.shape[:-1], *self.numeric[name]))

    def pack(self, state: Any = None) -> np.ndarray:
        """Flat state ``(..., dimension)`` of a dictionary of blocks (missing ones: initial) or a flat array."""
        if state is None:
            return self.initial_vector
        if not isinstance(state, Mapping):
            flat = np.asarray(state, dtype=float)
            if flat.shape[-1:] != (self.dimension,):
                raise InputError(
                    f"a flat state of system {self.name!r} ends in an axis of {self.dimension}, "
                    f"not shape {flat.shape}; its components are {', '.join(self.component_names)}"
                )
            return flat
        for name in state:
            if name not in self.state:
                raise InputError(f"system {self.name!r} has no state block {name!r}; {suggest(name, self.state)}")
        blocks = []
        for k, shape in self.state.items():
            value = np.asarray(state.get(k, self.initial[k]), dtype=float)
            lead = value.shape[: value.ndim - len(shape)]
            blocks.append(value.reshape(*lead, math.prod(shape)))
        lead = np.broadcast_shapes(*(b.shape[:-1] for b in blocks))
        return np.concatenate([np.broadcast_to(b, (*lead, b.shape[-1])) for b in blocks], axis=-1)

    def unpack(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        """State blocks ``(..., block axes)`` of flat states ``(..., dimension)``: what :meth:`pack` puts together."""
        return {k: flat[..., s].reshape((*flat.shape[:-1], *self.state[k])) for k, s in self.state_slices.items()}

    def check_values(self, y: np.ndarray, p: np.ndarray) -> None:
        """Let the declared ``check`` see flat initial states ``(..., dimension)`` and parameters ``(..., size)``."""
        if self.check is None:
            return
        values = {k: p[..., s].reshape((*p.shape[:-1], *self.numeric[k])) for k, s in self.parameter_slices.items()}
        states = self.unpack(y) | {k: values.pop(k) for k in self.frozen}
        self.check(
            Namespace(states, "state block", self.name),
            Namespace(self.structure | values | self.couplings, "parameter", self.name),
        )

    def _evaluate(self, quantity: str, block: str, state: Any, t: float) -> np.ndarray:
        from .evaluation import evaluate

        y = self.pack(state)
        lead = y.shape[:-1]
        if quantity == "rhs" and is_large(self):
            return evaluate_arrays(self, "rhs", y.reshape(-1, self.dimension), t).reshape(*lead, -1)
        y = y.reshape(-1, self.dimension).T
        result = evaluate(self.program(quantity), t=[t], y=y, p=self.parameter_vector)[block]
        return result.T.reshape(*lead, -1)

    def as_scipy(self) -> Callable[[float, np.ndarray], np.ndarray]:
        """A compiled ``f(t, y)`` for SciPy, with ``f.initial`` (flat) and ``f.jacobian(t, y)``.

        >>> f = system.as_scipy()                                              # doctest: +SKIP
        >>> solve_ivp(f, (0, 10), f.initial, method="LSODA", jac=f.jacobian)    # doctest: +SKIP
        """
        from .native import Function

        right, slope = Function(self.program("rhs")), None
        p, n = self.parameter_vector, self.dimension

        def f(t: float, y: np.ndarray) -> np.ndarray:
            return right(t=t, y=y, p=p)["f"]

        def jacobian(t: float, y: np.ndarray) -> np.ndarray:
            nonlocal slope
            slope = slope or Function(self.program("jacobian"))
            return slope(t=t, y=y, p=p)["J"].reshape(n, n)

        f.initial, f.jacobian = self.initial_vector.copy(), jacobian  # type: ignore[attr-defined]
        return f

    def as_diffrax(self) -> tuple[Any, Any, Any]:
        """``(term, y0, args)`` for diffrax: an ``ODETerm`` of flat vectors, initial state, parameters."""
        import diffrax
        import jax.numpy as jnp

        term = diffrax.ODETerm(self.flat)
        return term, jnp.asarray(self.initial_vector), jnp.asarray(self.parameter_vector)

    # -- checks -----------------------------------------------------------------------------------------

    def _shape(self, block: str, shape: Shape, what: str = "state block") -> tuple[int, ...]:
        sizes = []
        for d in shape:
            size = self.structure.get(d) if isinstance(d, str) else d
            if size is None:
                raise DeclarationError(
                    f"system {self.name!r}: the shape of {what} {block!r} names {d!r}, "
                    f"which is no integer parameter; {suggest(d, self.structure)}"
                )
            if not isinstance(size, (int, np.integer)) or size < 1:
                raise InputError(f"system {self.name!r}: axis {d!r} of {what} {block!r} must be at least 1, not {size}")
            sizes.append(int(size))
        return tuple(sizes)

    def _start(self, block: str, generator: np.random.Generator) -> np.ndarray:
        shape = self._shape(block, self.shapes[block])
        value = self.starts.get(block, 0.0)
        if isinstance(value, Draw):
            return value.sample(generator, shape)
        if callable(value):
            value = value(Namespace(self.structure, "structural parameter", self.name))
        try:
            return np.broadcast_to(np.asarray(value, dtype=float), shape).copy()
        except (ValueError, TypeError):
            raise InputError(
                f"system {self.name!r}: the initial value of {block!r} must be a number or an array of shape "
                f"{shape}, not {_short(value)}"
            ) from None

    def _checked(self, name: str, value: Any) -> Any:
        old = self.declared[name]
        if old.structural:
            if isinstance(value, (float, np.floating)) and float(value).is_integer():
                value = int(value)
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
                raise InputError(
                    f"parameter {name!r} of system {self.name!r} was declared as the integer {old.value}, which shapes "
                    f"the system, so it cannot be {_short(value)}; declare it as {float(old.value)} if it is a number"
                )
            return int(value)
        if isinstance(value, Coupling) or callable(value):
            return value
        try:
            array = np.asarray(value, dtype=float)
        except (ValueError, TypeError):
            raise InputError(f"parameter {name!r} of system {self.name!r} is a number, not {_short(value)}") from None
        return float(array) if array.ndim == 0 else array

    def _check(self) -> None:
        for name in (*self.shapes, *self.declared, *self.inputs, *self.observables, *self.events):
            if not str(name).isidentifier() or name.startswith("_"):
                raise DeclarationError(
                    f"system {self.name!r}: {name!r} is not a name that Python could read as s.{name}"
                )
        if not self.shapes:
            raise DeclarationError(f"system {self.name!r} declares no state")
        names = [*self.shapes, *self.declared, *self.inputs, *self.observables, *self.events, "t", "time"]
        if twice := {n for n in names if names.count(n) > 1}:
            raise DeclarationError(
                f"system {self.name!r}: {sorted(twice)[0]!r} names two things (states, parameters, inputs, "
                "observables, events and time share one set of names)"
            )
        if self.noise is not None and self.kind == "map":
            raise DeclarationError(f"system {self.name!r}: noise is for flows; a map takes random numbers as inputs")
        if self.interpretation not in ("ito", "stratonovich"):
            raise DeclarationError(
                f"system {self.name!r}: interpretation must be 'ito' or 'stratonovich', not {self.interpretation!r}"
            )
        for what, given in (("initial values", self.starts), ("slow blocks", self.slow)):
            for name in given:
                if name not in self.shapes:
                    raise DeclarationError(
                        f"system {self.name!r}: {what} name {name!r}, which is no state block; "
                        + suggest(name, self.shapes)
                    )
        for name, p in self.declared.items():
            if not (p.structural or isinstance(p.value, Coupling) or callable(p.value)):
                try:
                    np.asarray(p.value, dtype=float)
                except (TypeError, ValueError):
                    raise DeclarationError(
                        f"system {self.name!r}: parameter {name!r} must be a number or an array, not {_short(p.value)}"
                    ) from None
        for name, stream in self.inputs.items():
            if not isinstance(stream, Stream):
                raise DeclarationError(
                    f"system {self.name!r}: input {name!r} must be a stream such as attrax.stream.normal(), "
                    f"not {_short(stream)}"
                )
        _ = self.state, self.parameters, self.initial, self.input_shapes
        happenings.check_declared(self)
        self.check_values(self.initial_vector, self.parameter_vector)


def _array(value: Any) -> Any:
    """A computed parameter: an array of numbers, or a coupling."""
    return value if isinstance(value, Coupling) else np.asarray(value, dtype=float)


def _slices(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, slice]:
    slices, start = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        slices[name] = slice(start, start + size)
        start += size
    return slices


def _short(value: Any) -> str:
    text = repr(value) if not isinstance(value, np.ndarray) else f"an array of shape {value.shape}"
    return text if len(text) <= 60 else text[:57] + "..."
