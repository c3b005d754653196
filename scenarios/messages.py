"""What pydantic found wrong, in the words and at the place of the user's file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel

from .fields import nearest, show
from .schema import Scenario
from .text import Path


def inside(data: Any, loc: Iterable[str | int]) -> Path:
    """The part of pydantic's location that exists in the data (without the tags of unions)."""
    path: Path = ()
    for part in loc:
        within = part in data if isinstance(data, dict) else isinstance(data, list) and part in range(len(data))
        if within:
            data = data[part]
            path = (*path, part)
    return path


def keys_at(path: Path) -> set[str]:
    """The keys that the schema knows at a path."""
    models: list[Any] = [Scenario]
    for part in path:
        inner: list[Any] = []
        for model in models:
            fields = {each.alias or name: each.annotation for name, each in model.model_fields.items()}
            inner += _models_in(fields.get(part)) if part in fields else []
        models = inner or models
    return {field.alias or name for model in models for name, field in model.model_fields.items()}


def _models_in(annotation: Any) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in get_args(annotation) for model in _models_in(each)]


_EXPECTED = {
    "string_type": "a text",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "finite_number": "a finite number",
}
_LIMITS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}


def sentence(error: Any) -> str:
    """Say what was expected and what was given, from one of pydantic's errors."""
    kind, context, given = error["type"], error.get("ctx", {}), error["input"]
    if kind == "attrax":
        return error["msg"]
    if kind in ("too_short", "too_long"):
        fewest, most = context.get("min_length"), context.get("max_length")
        limit = f"at least {fewest}" if kind == "too_short" else f"at most {most}"
        return f"expected {limit} item{'s' if max(fewest or 0, most or 0) > 1 else ''}, got {len(given)}"
    if kind in _EXPECTED:
        expected = _EXPECTED[kind]
    elif kind == "literal_error":
        valid = re.findall(r"'([^']*)'", str(context["expected"]))
        close = nearest(given, valid) if isinstance(given, str) else ""
        hint = close if "did you mean" in close else ""
        return f"expected {' or '.join(valid)}, got {show(given)}{hint}"
    elif limits := [(word, context[key]) for key, word in _LIMITS.items() if key in context]:
        word, limit = limits[0]
        expected = {"greater than 0": "a positive number", "at least 0": "a number that is not negative"}.get(
            f"{word} {limit:g}", f"a number {word} {limit:g}"
        )
    elif kind == "string_too_short":
        expected = "a text that is not empty"
    else:
        expected = error["msg"][:1].lower() + error["msg"][1:]
    return f"expected {expected.removeprefix('input should be ')}, got {show(given)}"
