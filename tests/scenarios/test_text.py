"""YAML to plain data with positions."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attrax.scenarios import text
from attrax.scenarios.text import DEEPEST, MOST_ALIASES, parse

LETTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"), exclude_characters="\ufeff\ufffe\uffff")
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
DATA = st.recursive(
    SCALARS | st.text(LETTERS, max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(LETTERS, max_size=8), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(DATA)
def test_json_is_yaml(data):
    parsed = parse(json.dumps(data, ensure_ascii=False))
    assert parsed.problems == []
    assert parsed.data == data


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_no_text_makes_it_fail(source):
    parsed = parse(source)
    lines = sum(source.count(each) for each in "\n\r\x85\u2028\u2029")
    for (line, column), message in parsed.problems:
        assert 1 <= line <= lines + 2
        assert 1 <= column <= len(source) + 2
        assert message


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="a:b- []{}&*!?|>'\"#%,\n\t1.e~<", max_size=60))
def test_no_yaml_like_text_makes_it_fail(source):
    parse(source)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers(0, 999), min_size=1, max_size=8))
def test_positions_are_those_of_the_text(data):
    source = "# head\n" + "".join(f"{key}:  {value}\n" for key, value in data.items())
    parsed = parse(source)
    lines = source.splitlines()
    for key, value in data.items():
        line, column = parsed.position((key,), of_key=True)
        assert lines[line - 1][column - 1 :].startswith(key)
        line, column = parsed.position((key,))
        assert lines[line - 1][column - 1 :] == str(value)


def test_positions_of_nested_values_and_their_surroundings():
    parsed = parse("a:\n  - b: 1\n    c: {d: 22}\n")
    assert parsed.position(("a", 0, "c", "d")) == (3, 12)
    assert parsed.position(("a", 0, "c", "d"), of_key=True) == (3, 9)
    assert parsed.position(("a", 0, "missing"), of_key=True) == (2, 5)
    assert parsed.position(("nowhere",)) == (1, 1)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("1e-8", 1e-8),
        ("1_000", 1000),
        ("0o17", 15),
        ("0x1F", 31),
        ("012", 12),
        (".inf", math.inf),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("true", True),
        ("~", None),
        ("'1'", "1"),
        ("\ufeff1", 1),
    ],
)
def test_scalars_are_those_of_yaml_1_2(source, value):
    parsed = parse(source)
    assert parsed.problems == []
    assert parsed.data == value
    assert type(parsed.data) is type(value)


@pytest.mark.parametrize(
    ("source", "place", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", (3, 1), "key 'a' is given twice (first in line 1, column 1)"),
        ("a: [1, 2\nb: 3\n", (2, 2), "not YAML"),
        ("a:\n\t- 1\n", (2, 1), "indent with spaces"),
        ("a: *b\n", (1, 4), "undefined alias 'b'"),
        ("a: !!python/object/apply:os.system [ls]\n", (1, 4), "is not known; leave it out"),
        ("a: b\x07c\n", (1, 5), "U+0007"),
        ("? [a]\n: b\n", (1, 3), "a key is a name"),
        ("---\na: 1\n---\nb: 1\n", (3, 1), "single document"),
        ("[" * 2000, (1, 1), "nested too deeply"),
    ],
)
def test_what_is_refused_and_where(source, place, words):
    ((position, message), *_) = parse(source).problems
    assert position == place
    assert words in message


def test_a_bomb_of_aliases_is_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    parsed = parse("\n".join(lines))
    assert parsed.data is None
    ((_, message),) = parsed.problems
    assert message == f"more than {MOST_ALIASES} values come from aliases; write them out"


def test_an_alias_of_itself_is_refused():
    parsed = parse("a: &a [*a]")
    assert parsed.data is None
    assert parsed.problems


def test_large_and_deep_documents_are_refused(monkeypatch):
    monkeypatch.setattr(text, "MOST_NODES", 100)
    assert parse(f"[{'1,' * 99}]").problems == []
    assert "a scenario is not a data file" in parse(f"[{'1,' * 100}]").problems[0][1]
    assert "nested too deeply" in parse("{a: " * (DEEPEST + 2) + "1" + "}" * (DEEPEST + 2)).problems[0][1]
