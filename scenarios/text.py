"""YAML 1.2 text to plain data, with the line and column of every key and value."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import Any

from .fields import show

LARGEST_FILE = 1 << 20
MOST_ALIASES = 100
MOST_NODES = 200_000
DEEPEST = 50

Path = tuple[str | int, ...]
Position = tuple[int, int]

_TAG = "tag:yaml.org,2002:"
_NUMBER = re.compile(r"[-+]?(\.\d+|\d[\d_]*(\.\d*)?)([eE][-+]?\d+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass
class Parsed:
    """A YAML document: plain data (dict, list, str, int, float, bool, None), positions, what is wrong.

    Positions are ``(line, column)`` counted from 1; `keys` holds those of keys, `values` those of values and
    list items, both by path.
    """

    data: Any = None
    keys: dict[Path, Position] = field(default_factory=dict)
    values: dict[Path, Position] = field(default_factory=dict)
    problems: list[tuple[Position, str]] = field(default_factory=list)

    def position(self, path: Path, of_key: bool = False) -> Position:
        """Return where `path` stands, or else its nearest surrounding key."""
        first, second = (self.keys, self.values) if of_key else (self.values, self.keys)
        for end in range(len(path), 0, -1):
            place = first.get(path[:end]) or second.get(path[:end])
            if place:
                return place
            first, second = self.keys, self.values
        return (1, 1)


def parse(text: str) -> Parsed:
    """Read YAML 1.2 text (the core schema: ``1e-8`` is a number, ``yes`` and ``12:30`` are texts).

    Refused, as `problems` of the result: syntax errors, duplicate keys, tags of other types, deep nesting,
    and aliases that expand beyond reason.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError
    from ruamel.yaml.reader import ReaderError

    result = Parsed()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            root = YAML(typ="safe", pure=True).compose(text)
    except ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(str(error.character)[0])
        result.problems.append((_place(text, error.position), f"the character U+{code:04X} is not allowed in YAML"))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = ", ".join(" ".join(each.split()) for each in (error.context, error.problem) if each)
        if "'\\t'" in what:
            what += " (indent with spaces)"
        result.problems.append((place, f"this is not YAML: {what}"))
    except RecursionError:
        result.problems.append(((1, 1), f"this is nested too deeply; at most {DEEPEST} levels are read"))
    except Exception as error:  # ruamel.yaml fails in many ways on junk
        result.problems.append(((1, 1), f"this is not YAML: {' '.join(str(error).split())[:200]}"))
    else:
        if root is not None:
            try:
                result.data = _Builder(result).build(root, ())
            except _TooMuch as error:
                result.data = None
                result.problems.append((error.args[0], error.args[1]))
    return result


class _TooMuch(Exception):
    """The document expands beyond reason: (position, message)."""


class _Builder:
    """Turns the tree of YAML nodes into plain data."""

    def __init__(self, result: Parsed):
        self.result = result
        self.nodes = 0
        self.aliases = 0
        self.seen: set[int] = set()

    def build(self, node: Any, path: Path) -> Any:
        place = (node.start_mark.line + 1, node.start_mark.column + 1)
        self.result.values.setdefault(path, place)
        self._count(node, place, path)
        if node.id == "scalar":
            return self._scalar(node, place)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self._problem(place, f"the tag {show(str(node.tag))} is not known; leave it out")
        if node.id == "sequence":
            return [self.build(each, (*path, index)) for index, each in enumerate(node.value)]
        return self._mapping(node, path)

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            place = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if key_node.id != "scalar":
                self._problem(place, f"a key is a name, not a {key_node.id}")
                continue
            key = self._text(str(key_node.value), place)
            if key in data:
                line, column = self.result.keys[(*path, key)]
                self._problem(place, f"key {show(key)} is given twice (first in line {line}, column {column})")
                continue
            self.result.keys[(*path, key)] = place
            data[key] = self.build(value_node, (*path, key))
        return data

    def _scalar(self, node: Any, place: Position) -> Any:
        text = self._text(str(node.value), place)
        kind = str(node.tag).removeprefix(_TAG)
        if kind in ("str", "timestamp", "merge", "value"):
            return text
        if kind == "null":
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind in ("int", "float"):
            try:
                return _number(text, kind)
            except (ValueError, OverflowError):
                self._problem(place, f"{show(text)} is not a number of YAML 1.2")
                return 0
        if kind == "bool":
            return text
        self._problem(place, f"the tag {show(str(node.tag))} is not known; leave it out")
        return text

    def _text(self, text: str, place: Position) -> str:
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            self._problem(place, f"{show(text)} holds half of a surrogate pair")
            return ascii(text)
        return text

    def _count(self, node: Any, place: Position, path: Path) -> None:
        self.nodes += 1
        self.aliases += id(node) in self.seen
        self.seen.add(id(node))
        if self.aliases > MOST_ALIASES:
            raise _TooMuch(place, f"more than {MOST_ALIASES} values come from aliases; write them out")
        if self.nodes > MOST_NODES:
            raise _TooMuch(place, f"more than {MOST_NODES} values; a scenario is not a data file")
        if len(path) > DEEPEST:
            raise _TooMuch(place, f"this is nested too deeply; at most {DEEPEST} levels are read")

    def _problem(self, place: Position, message: str) -> None:
        self.result.problems.append((place, message))


def _number(text: str, kind: str) -> int | float:
    plain = text.replace("_", "")
    prefix = plain.lstrip("+-")[:2].lower()
    if kind == "int":
        return int(plain, {"0x": 16, "0o": 8, "0b": 2}.get(prefix, 10))
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return float(plain.lower().replace(".inf", "inf").replace(".nan", "nan"))


def _place(text: str, offset: int) -> Position:
    before = text[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")
