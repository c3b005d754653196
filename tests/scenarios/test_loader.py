"""Scenario files to checked scenarios: what is accepted, and where each mistake is found."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from attrax.engine.errors import ScenarioError
from attrax.scenarios.fields import expand
from attrax.scenarios.loader import load
from attrax.scenarios.schema import Scenario, json_schema

SMALL = "system: toys.decay\nsimulate: {t_end: 1}\n"


def mistakes(file: str, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load(file, overrides)
    return str(caught.value).splitlines()


def test_the_smallest_scenario(scenario):
    loaded = load(scenario(SMALL))
    assert (loaded.name, loaded.text, loaded.overrides) == ("s", SMALL, ())
    assert loaded.system.name == "toys.decay"
    assert loaded.scenario.simulate.t_end == 1.0
    assert loaded.scenario.analysis == loaded.scenario.plots == []


def test_everything_at_once(scenario):
    text = """
        system: toys.decay
        title: all of it
        parameters: {n: 3, rate: 2, omega: [1, 2, 3]}
        initial: {x: 5, y: {normal: [0, 2]}}
        seed: 4
        simulate: {t_start: -1, t_end: 1e1, method: dopri5, rtol: 1e-8, atol: 1.0e-9, sample: [0, 1.5, 2],
                   transient: 1, max_steps: 100000, dt: 0.1}
        sweep: {rate: {from: 0.1, to: 10, points: 3, scale: log}, x: [1, 2]}
        analysis:
          - orbit_diagram: {parameter: rate, values: [1, 2], observable: "y[2]", direction: both, label: both}
          - orbit_diagram: {parameter: rate, values: {from: 0, to: 1, points: 5}, observable: energy}
        output: {file: out.h5, compression: gzip}
        plots: [time_series, {phase_portrait: {variables: [x, "y[1]"], last: 2}}, orbit_diagram]
    """
    loaded = load(scenario(text))
    assert loaded.system.state == {"x": (), "y": (3,)}
    assert loaded.system.parameters["rate"].value == 2.0
    assert loaded.system.initial["x"] == 5.0
    assert loaded.scenario.simulate.sample == [0.0, 1.5, 2.0]
    np.testing.assert_allclose(expand(loaded.scenario.sweep["rate"]), [0.1, 1.0, 10.0])
    assert [step.value.label for step in loaded.scenario.analysis] == ["both", None]
    assert [plot.key for plot in loaded.scenario.plots] == ["time_series", "phase_portrait", "orbit_diagram"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "system: toys.decya\nsimulate: {t_end: 1}",
            "1:9: system 'toys.decya' is not known; did you mean 'toys.decay'?",
        ),
        (
            "system: decay\nsimulate: {t_end: 1}",
            "1:9: system 'decay' is not known; did you mean 'toys.decay'?",
        ),
        ("system: 3\nsimulate: {t_end: 1}", "1:9: system: expected a text, got 3"),
        ("simulate: {t_end: 1}", "1:1: key 'system' is missing"),
        ("system: toys.decay", "1:1: expected the key 'simulate', or at least one analysis; got neither"),
        (
            SMALL + "paramters: {rate: 1}",
            "3:1: key 'paramters' is not known here; did you mean 'parameters'?",
        ),
        (
            SMALL + "parameters:\n  raet: 1",
            "4:3: parameters.raet: 'raet' is not a parameter of toys.decay; did you mean 'rate'?",
        ),
        (
            SMALL + "parameters: {rate: fast}",
            "3:20: parameters.rate: expected a number or a list of numbers, got 'fast'",
        ),
        (SMALL + "parameters: {rate: .nan}", "3:20: parameters.rate: expected a finite number, got nan"),
        (
            SMALL + "parameters: {omega: [1, 2, 3]}",
            "3:21: parameter 'omega' of system 'toys.decay' has shape (2,), not (3,)",
        ),
        (
            SMALL + "parameters: {n: 2.5}",
            "3:17: parameter 'n' of system 'toys.decay' was declared as the integer 2, which shapes the system",
        ),
        (
            SMALL + "parameters: {omega: [[1, 2], [3]]}",
            "3:21: parameters.omega: expected rows of equal length, got a ragged list",
        ),
        (SMALL + "initial: {w: 1}", "3:11: initial.w: 'w' is not a state of toys.decay; valid here: x, y"),
        (
            SMALL + "initial: {y: {uniform: [1, 0]}}",
            "3:24: initial.y.uniform: expected [lowest, highest] with lowest < highest, got [1.0, 0.0]",
        ),
        (SMALL + "initial: {y: {normal: [0]}}", "3:23: initial.y.normal: expected at least 2 items, got 1"),
        (SMALL + "initial: any", "3:10: initial: expected random, got 'any'"),
        (SMALL + "seed: -1", "3:7: seed: expected a number that is not negative, got -1"),
        (SMALL + "seed: 1.5", "3:7: seed: expected a whole number, got 1.5"),
        ("system: toys.decay\nsimulate: {}", "2:1: key 't_end' is missing"),
        (
            "system: toys.decay\nsimulate: {t_end: 0}",
            "2:19: simulate.t_end: expected a number greater than t_start = 0, got 0",
        ),
        (
            "system: toys.decay\nsimulate: {t_end: .inf}",
            "2:19: simulate.t_end: expected a finite number, got inf",
        ),
        (
            "system: toys.decay\nsimulate: {t_end: 1, rtol: 0}",
            "2:28: simulate.rtol: expected a positive number, got 0",
        ),
        (
            "system: toys.decay\nsimulate: {t_end: 1, tol: 1}",
            "2:22: key 'tol' is not known here; did you mean 'rtol' or 'atol'?",
        ),
        (
            "system: toys.decay\nsimulate: {t_end: 1, sample: [2, 1]}",
            "2:30: simulate.sample: expected increasing times",
        ),
        (
            "system: toys.decay\nsimulate: {t_end: 1, sample: last}",
            "2:30: simulate.sample: expected end, got 'last'",
        ),
        (SMALL + "sweep: {rate: {from: 1, to: 2}}", "3:9: key 'points' is missing"),
        (
            SMALL + "sweep: {rate: {from: 0, to: 2, points: 3, scale: log}}",
            "3:50: sweep.rate.scale: scale log needs positive 'from' and 'to', got 0.0 and 2.0",
        ),
        (SMALL + "sweep: {rate: []}", "3:15: sweep.rate: expected at least 1 item, got 0"),
        (
            SMALL + "sweep: {omega: [1, 2]}",
            "3:9: sweep.omega: 'omega' is not a scalar parameter or scalar state of toys.decay; valid here: rate, x",
        ),
        (
            SMALL + "analysis:\n  - orbit_diagrm: {}",
            "4:5: key 'orbit_diagrm' is not known here; did you mean 'orbit_diagram'?",
        ),
        (
            SMALL + "analysis:\n  - orbit_diagram: {parameter: rate, values: [1], observable: 'y[2]'}",
            "4:63: analysis.0.orbit_diagram.observable: 'y[2]' is outside the block 'y', whose shape is (2,)",
        ),
        (
            SMALL + "plots: [phase]",
            "3:9: plots.0: 'phase' is not a figure; valid here: basins, branches",
        ),
        (
            SMALL + "plots: [orbit_diagram]",
            "3:8: plots: the figure 'orbit_diagram' needs an analysis 'orbit_diagram'",
        ),
        (
            SMALL + "output: {compression: zip}",
            "3:23: output.compression: expected none or gzip or blosc, got 'zip'; did you mean 'gzip'?",
        ),
        ("- 1\n- 2\n", "1:1: expected a mapping such as 'system: chaos.lorenz', but the file holds [1, 2]"),
        ("", "1:1: expected a mapping such as 'system: chaos.lorenz', but the file is empty"),
        (SMALL + "a: [", "3:5: this is not YAML"),
        (
            "system: model.py:decay\nsimulate: {t_end: 1}",
            "1:9: system 'model.py:decay' would run the Python file",
        ),
    ],
)
def test_each_mistake_is_found_where_it_is(scenario, text, expected):
    lines = mistakes(scenario(text))
    assert any(line.startswith(f"s.yaml:{expected}") for line in lines), "\n".join(lines)


def test_all_mistakes_are_listed_in_the_order_of_the_file(scenario):
    lines = mistakes(scenario("system: toys.decay\nseed: x\nsimulate: {t_end: -1}\nfoo: 1\n"))
    assert [line.split(":")[1:3] for line in lines] == [["2", "7"], ["3", "19"], ["4", "1"]]


def test_overrides(scenario):
    loaded = load(scenario(SMALL), ["simulate.t_end=1e2", "parameters.rate=3", "parameters.n=1", "initial={x: 7}"])
    assert loaded.scenario.simulate.t_end == 100.0
    assert loaded.system.parameters["rate"].value == 3.0
    assert loaded.system.state["y"] == (1,)
    assert loaded.system.initial["x"] == 7.0


def test_an_override_reaches_into_a_list(scenario):
    text = "system: toys.decay\nanalysis:\n  - orbit_diagram: {parameter: rate, values: [1], observable: x}\n"
    loaded = load(scenario(text), ["analysis.0.orbit_diagram.points=7"])
    assert loaded.scenario.analysis[0].value.points == 7


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("simulate.t_end=-1", "simulate.t_end: expected a number greater than t_start = 0, got -1"),
        ("simulate.tend=3", "key 'tend' is not known here; did you mean 't_end'?"),
        ("simulate.t_end", "expected key=value, such as --set simulate.t_end=100"),
        ("=1", "expected key=value, such as --set simulate.t_end=100"),
        ("simulate..t_end=1", "expected key=value, such as --set simulate.t_end=100"),
        ("simulate.t_end=[", "this is not YAML"),
        ("plots.3.kind=1", "plots is a list of 1 (count from 0), without a part '3'"),
        ("parameters.rate=.inf", "parameters.rate: expected a finite number, got inf"),
        ("parameters.omega=[1]", "parameter 'omega' of system 'toys.decay' has shape (2,), not (1,)"),
    ],
)
def test_mistakes_in_overrides_name_the_override(scenario, override, expected):
    lines = mistakes(scenario(SMALL + "plots: [time_series]\n"), override)
    assert lines[-1].startswith(f"--set {override}: {expected}"), lines


def test_a_missing_file_names_the_nearest(scenario):
    scenario(SMALL, "decay.yaml")
    assert mistakes("dekay.yaml") == ["dekay.yaml: there is no such file; did you mean 'decay.yaml'?"]
    assert mistakes("lorentz") == ["lorentz: there is no such file or library scenario; did you mean 'lorenz'?"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"system: \xff\xfe", "bad.yaml:1:9: expected text in UTF-8, got a binary file"),
        (b"#" * (2**20 + 1), "bad.yaml: 1048577 bytes; a scenario file has at most 1048576 (1 MiB)"),
        (b"a: \x00", "bad.yaml:1:4: the character U+0000 is not allowed in YAML"),
    ],
)
def test_files_that_are_no_scenarios(tmp_path, content, words):
    (tmp_path / "bad.yaml").write_bytes(content)
    assert mistakes("bad.yaml") == [words]


def test_a_folder_and_an_impossible_name(tmp_path):
    assert mistakes(str(tmp_path)) == [f"{tmp_path}: expected a scenario file, got a directory"]
    assert mistakes("a\0b")[0].startswith("'a\\x00b': there is no such file")
    assert "not a usable file name" in mistakes("a" * 5000)[0]


def test_a_system_of_a_python_file_needs_trust(scenario, tmp_path):
    (tmp_path / "model.py").write_text(
        "import attrax as ax\n\n\n"
        "@ax.flow(state={'x': ()}, parameters={'k': 1.0})\n"
        "def spring(t, s, p):\n    return {'x': -p.k * s.x}\n"
    )
    file = scenario("system: model.py:spring\nparameters: {k: 3}\nsimulate: {t_end: 1}\n")
    assert "if you trust it, add --trust" in mistakes(file)[0]
    assert load(file, trust=True).system.parameters["k"].value == 3.0
    with pytest.raises(ScenarioError, match="--set .* declares no system 'sprong'; did you mean 'spring'"):
        load(file, ["system=model.py:sprong"], trust=True)
    with pytest.raises(ScenarioError, match="there is no file mudel.py"):
        load(file, ["system=mudel.py:spring"], trust=True)
    (tmp_path / "model.py").write_text("1 / 0\n")
    with pytest.raises(ScenarioError, match="running .* failed: ZeroDivisionError"):
        load(file, trust=True)


@pytest.mark.parametrize(
    ("system", "settings", "expected"),
    [
        (
            "decay",
            "t_end: 1, method: rk4",
            "2:11: simulate: the method 'rk4' has steps of equal length; give dt",
        ),
        ("decay", "t_end: 1, transient: 2", "2:33: transient must lie between 0 and 1, not 2"),
        ("decay", "t_end: 1, sample: [0, 3]", "2:30: the times of samples must lie between 0 and 1"),
        (
            "decay",
            "t_end: 1, sample: 1e-12",
            "2:30: simulate.sample: expected at most 1e+08 samples, got 1e+12",
        ),
        ("growth", "t_end: 1, dt: 0.1", "2:26: simulate.dt: a map has no dt; leave it out"),
        ("growth", "t_end: 9, sample: 0.5", "2:30: the spacing of samples of a map is a whole number, not 0.5"),
        ("growth", "t_end: 1.5", "2:19: t_end of a map is a whole number of iterations, not 1.5"),
    ],
)
def test_settings_that_do_not_fit_are_found_before_the_run(scenario, system, settings, expected):
    (line,) = mistakes(scenario(f"system: toys.{system}\nsimulate: {{{settings}}}\n"))
    assert line.startswith(f"s.yaml:{expected}")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("observable: y", "3:63: observable: 'y' has the shape (2,); name one element"),
        ("observable: x, section: x", "3:75: section: section 'x' is not understood"),
        ("observable: x, section: 'max q'", "3:75: section: 'q' in 'q' is unknown in system 'toys.decay'"),
        ("observable: x, section: 'x > y'", "3:75: section: system 'toys.decay': event 'x > y' has 2 elements"),
    ],
)
def test_analyses_that_do_not_fit_are_found_before_the_run(scenario, options, expected):
    text = f"system: toys.decay\nanalysis:\n  - orbit_diagram: {{parameter: rate, values: [1], {options}}}\n"
    (line,) = mistakes(scenario(text))
    assert line.startswith(f"s.yaml:{expected}")


def test_a_map_has_no_section(scenario):
    options = "{parameter: r, values: [1], observable: x, section: x > 0}"
    (line,) = mistakes(scenario(f"system: toys.growth\nanalysis:\n  - orbit_diagram: {options}\n"))
    assert line == "s.yaml:3:72: section: 'toys.growth' is a map, every iterate is recorded; leave it out"


def test_random_starts_follow_the_seed(scenario):
    starts = [load(scenario(SMALL + f"initial: random\nseed: {seed}\n")).system.initial for seed in (1, 1, 2)]
    assert starts[0]["x"] == starts[1]["x"] != starts[2]["x"]
    assert (starts[0]["y"] == starts[1]["y"]).all()
    assert abs(starts[0]["x"] - 1.0) < 1.0
    assert (np.abs(starts[0]["y"]) <= 1.0).all()


def test_methods_are_checked_against_the_kind_of_system(scenario):
    lines = mistakes(scenario("system: toys.decay\nsimulate: {t_end: 1, method: rk5}\n"))
    assert lines[0].startswith("s.yaml:2:30: simulate.method: 'rk5' is not a method of toys.decay; did you mean")
    lines = mistakes(scenario("system: toys.growth\nsimulate: {t_end: 1, method: rk4}\n"))
    assert lines == ["s.yaml:2:30: simulate.method: 'rk4' is not a method of toys.growth; valid here: iterate"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(width=16) | st.sampled_from(["x", "rate", "toys.decay"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Scenario.model_fields, "t_end", "orbit_diagram", "values", "from", "x", "rate"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*Scenario.model_fields, "x"]), VALUES, max_size=6))
def test_no_data_makes_it_fail_otherwise(scenario, data):
    text = json.dumps({"system": "toys.decay", **data}).replace("NaN", ".nan").replace("Infinity", ".inf")
    try:
        load(scenario(text))
    except ScenarioError as error:
        assert all(line.startswith("s.yaml:1:") for line in str(error).splitlines())


def test_the_json_schema_knows_every_key():
    schema = json_schema()
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert set(schema["properties"]) == set(Scenario.model_fields)
    assert schema["required"] == ["system"]
    assert schema["additionalProperties"] is False
    assert json.loads(json.dumps(schema)) == schema
    for definition in (schema, *schema["$defs"].values()):
        for name, field in definition.get("properties", {}).items():
            assert "description" in field or "$ref" in field, name
