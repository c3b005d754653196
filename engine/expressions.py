"""Formulas as text: ``"x[0] - 2 * sin(y)"`` becomes a function of time, state and parameters."""

from __future__ import annotations

import ast
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .declaration import suggest
from .errors import InputError

if TYPE_CHECKING:
    from .system import System

FUNCTIONS = (
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh"),
    *("exp", "log", "sqrt", "abs", "sign", "hypot", "minimum", "maximum", "sum", "mean"),
)
_OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}


@dataclass(frozen=True)
class Formula:
    """A function ``(t, s, p)`` of a system, as text.

    It may use numbers, ``pi``, ``t``, the system's state blocks, observables and parameters, indices as in ``x[0]``,
    ``+ - * / **`` and the functions of `FUNCTIONS`.

    Raises
    ------
    InputError
        If the text is no such formula.
    """

    text: str
    system: System = field(compare=False, repr=False)

    def __post_init__(self) -> None:
        try:
            _check(self.system, self._tree, self.text)
        except RecursionError:
            raise InputError(f"the formula {self.text[:40]!r}... is nested too deeply; make it an observable") from None

    @property
    def _tree(self) -> ast.expr:
        try:
            return ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            raise InputError(f"{self.text!r} is not a formula such as 'x[0] - 2*y'") from None

    def __call__(self, t: Any, s: Any, p: Any) -> Any:
        return _value(self.system, self._tree, t, s, p)


def _check(system: System, node: ast.AST, text: str) -> None:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return
        case ast.Name(id=name):
            known = ["t", "pi", *system.state, *system.observables, *system.parameters]
            if name not in known:
                raise InputError(f"{name!r} in {text!r} is unknown in system {system.name!r}; {suggest(name, known)}")
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            _check(system, left, text)
            _check(system, right, text)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check(system, operand, text)
        case ast.Subscript(value=ast.Name() as block, slice=index):
            _check(system, block, text)
            shape = {**system.state, **system.observable_shapes, **system.numeric}.get(block.id, ())
            chosen = _index(index, text)
            if len(chosen) > len(shape) or any(not -n <= i < n for i, n in zip(chosen, shape, strict=False)):
                raise InputError(f"{ast.unparse(node)} in {text!r} is outside of {block.id!r}, whose shape is {shape}")
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            if name not in FUNCTIONS:
                raise InputError(f"the function {name!r} in {text!r} is unknown; {suggest(name, FUNCTIONS)}")
            for argument in arguments:
                _check(system, argument, text)
        case _:
            raise InputError(
                f"{ast.unparse(node)!r} in {text!r} is not understood; expected a formula such as 'x[0] - 2*y'"
            )


def _index(node: ast.AST, text: str) -> tuple[int, ...]:
    try:
        index = ast.literal_eval(node)  # type: ignore[arg-type]
    except ValueError:
        index = None
    index = index if isinstance(index, tuple) else (index,)
    if not all(isinstance(i, int) and not isinstance(i, bool) for i in index):
        raise InputError(f"an index in {text!r} is not a whole number")
    return index


def _value(system: System, node: ast.AST, t: Any, s: Any, p: Any) -> Any:
    import jax.numpy as jnp

    def value(part: ast.AST) -> Any:
        return _value(system, part, t, s, p)

    match node:
        case ast.Constant(value=number):
            return number
        case ast.Name(id="t"):
            return t
        case ast.Name(id="pi"):
            return jnp.pi
        case ast.Name(id=name):
            if name in system.state:
                return s[name]
            return system.observables[name](t, s, p) if name in system.observables else p[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](value(left), value(right))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -value(operand)
        case ast.UnaryOp(operand=operand):
            return value(operand)
        case ast.Subscript(value=block, slice=index):
            return value(block)[_index(index, "")]
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return getattr(jnp, name)(*map(value, arguments))
    raise AssertionError(ast.dump(node))
