"""Every analysis from a scenario file: what it computes, stores and draws, and which mistakes are found early."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import attrax as ax
from attrax.engine import storage
from attrax.engine.errors import InputError, Interrupted, ScenarioError
from attrax.scenarios import runner
from attrax.scenarios.analyses import ANALYSES
from attrax.scenarios.cli import main
from attrax.scenarios.figures import FIGURES
from attrax.scenarios.loader import load

WELLS = """
system: toys.wells
analysis:
  - continue_fixed_points: {label: tilt, parameter: b1, bounds: [-2, 2], values: [0]}
  - continue_bifurcation: {label: folds, from: {group: tilt, point: LP1}, bounds: {b1: [-1, 1], b2: [-1, 1.5]}}
plots: [branches]
"""
GROWTH = """
system: toys.growth
analysis:
  - orbit_diagram: {parameter: r, values: {from: 2.5, to: 3.5, points: 21}, observable: x, points: 20, direction: fixed}
  - bifurcation_diagram: {parameter: r, bounds: [0.5, 3.5], start: {x: 0.6}, depth: 2}
plots: [branches]
"""


def run(scenario, text, *overrides, **options):
    return runner.run(load(scenario(text), overrides), **options)


@pytest.mark.parametrize("name", ANALYSES)
def test_options_are_arguments_of_the_function(name):
    model = ANALYSES[name]
    function = getattr(ax.analysis, name)
    taken = set(inspect.signature(function).parameters) | {"label", "sweep", "origin", "parameters"}
    assert set(model.model_fields) <= taken
    assert set(model.figures) <= set(FIGURES)
    assert model.__doc__


def test_a_branch_and_a_curve_from_its_label(scenario):
    done = run(scenario, WELLS)
    tilt, folds = (ax.analysis.Branch(ax.load(done.file, group)) for group in ("tilt", "folds"))
    assert tilt.labels == ["EP1", "UZ1", "LP1", "UZ2", "LP2", "UZ3", "EP2"]
    assert 27 * tilt["LP1"].parameters["b1"] ** 2 == pytest.approx(4, rel=1e-12)
    np.testing.assert_allclose(list(folds["CP1"].parameters.values()), 0, atol=1e-10)
    assert [result.sizes for result in done.results] == [{"point": len(tilt)}, {"point": len(folds)}]
    pictures = ["s_branches_b1.png", "s_branches_b1_b2.png"]
    assert sorted(path.name for path in done.figures) == pictures
    assert "LP1" in done.results[0].tables[0]
    assert sorted(path.name for path in runner.draw(done.file, "branches")) == pictures


def test_a_diagram_of_branches_over_an_orbit_diagram(scenario):
    done = run(scenario, GROWTH)
    assert storage.groups(done.file) == ["/", *[f"bifurcation_diagram/{k}" for k in (1, 2, 3, 4)], "orbit_diagram"]
    assert done.results[1].sizes["branch"] == 4
    first = ax.analysis.Branch(ax.load(done.file, "bifurcation_diagram/1"))
    assert first["PD1"].parameters["r"] == pytest.approx(3, rel=1e-12)
    assert [path.name for path in done.figures] == ["s_branches_r.png"]


def test_a_branch_of_a_diagram_can_be_continued(scenario):
    more = "  - continue_fixed_points: {from: {group: diagram/1, point: PD1}, parameter: r, bounds: [0.5, 3.5]}\n"
    text = GROWTH.replace("bifurcation_diagram: {", "bifurcation_diagram: {label: diagram, depth: 1, ")
    text = text.replace(", depth: 2", "").replace("plots:", more + "plots:")
    done = run(scenario, text, plots=False)
    assert ax.load(done.file, "continue_fixed_points").attrs["iterates"] == 2


def test_fixed_points_exponents_basins_and_sections(scenario):
    text = """
        system: toys.wells
        parameters: {b1: 0}
        seed: 3
        analysis:
          - fixed_points: {box: {x: [-2, 2], v: [-1, 1]}}
          - fixed_points: {label: tilted, box: {x: [-2, 2], v: [-1, 1]}, parameters: {b1: 1}}
          - lyapunov_spectrum: {t_total: 200, transient: 50, sweep: {b2: [1, 2]}}
          - basins:
              initial: {x: {from: -2, to: 2, points: 20}, v: {from: -2, to: 2, points: 20}}
              transient: 50
          - basins: {label: drawn, initial: {x: {uniform: [-2, 2]}}, number: 200, transient: 50}
          - poincare_section: {section: v = 0, points: 3, t_max: 20}
        plots: [basins, lyapunov_spectrum]
    """
    done = run(scenario, text)
    load = lambda group: ax.load(done.file, group)  # noqa: E731
    np.testing.assert_allclose(load("fixed_points").x, [-1, 0, 1], atol=1e-12)
    assert load("tilted").sizes["point"] == 1
    # x = 1: l^2 + l + 2 b2 = 0, x = -1 likewise
    np.testing.assert_allclose(load("lyapunov_spectrum").exponents, -0.5, atol=0.02)
    np.testing.assert_allclose(load("basins").fraction, 0.5, atol=0.05)
    assert load("drawn").basin.shape == (200,)
    assert load("poincare_section")["count"] == 3
    assert {path.name for path in done.figures} == {"s_basins.png", "s_lyapunov_spectrum.png"}


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ("continue_fixed_points: {parameter: b3, bounds: [0, 1]}", "'b3' is not a scalar parameter of toys.wells"),
        ("continue_fixed_points: {parameter: b1, bounds: [0, 1]}", "bounds: they exclude b1 = -1"),
        ("continue_fixed_points: {parameter: b1, bounds: [1, 0]}", "expected [lowest, highest]"),
        ("continue_fixed_points: {parameter: b1, bounds: [-1, 1], iterates: 2}", "toys.wells is a flow"),
        (
            "continue_bifurcation: {from: {group: tilt, point: LP1}, bounds: {b1: [0, 1], b2: [0, 1]}}",
            "from: there is no earlier analysis 'tilt'; list it before this one",
        ),
        ("continue_bifurcation: {from: {group: tilt, point: LP1}, bounds: {b1: [0, 1]}}", "at least 2 items"),
        ("fixed_points: {box: {x: [-2, 2]}}", "box: give [lowest, highest] of v too"),
        ("lyapunov_spectrum: {k: 3}", "has 2 exponents"),
        ("basins: {initial: {x: {uniform: [0, 1]}, v: [1, 2]}}", "random draws for all"),
        ("basins: {initial: {x: [1, 2]}, number: 3}", "as many states as values"),
        ("poincare_section: {section: w = 0}", "section: "),
    ],
)
def test_mistakes_are_found_before_the_run(scenario, step, expected):
    with pytest.raises(ScenarioError) as caught:
        load(scenario(f"system: toys.wells\nanalysis:\n  - {step}\n"))
    assert expected.replace("toys.wells is", "'toys.wells' is") in str(caught.value)
    assert str(caught.value).startswith("s.yaml:3:")


def test_a_label_that_the_branch_has_not(scenario):
    with pytest.raises(InputError, match="the branch has no point 'H1'; known: "):
        run(scenario, WELLS, "analysis.1.continue_bifurcation.from.point=H1")
    assert "tilt" in storage.groups("s.h5")


def test_ctrl_c_keeps_the_points_of_a_branch(scenario):
    def press_ctrl_c(group, fraction):
        raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"^interrupted; what was computed is in s.h5$"):
        run(scenario, WELLS, progress=press_ctrl_c)
    data = ax.load("s.h5", "tilt")
    assert data.attrs["complete"] == 0
    assert data.sizes["point"] > 10


def test_a_branch_that_fails_keeps_its_points_and_exits_with_3(scenario, capsys):
    assert main(["run", scenario(ROOT), "--trust"]) == 3
    out, err = capsys.readouterr()
    assert "continue_fixed_points: failed: " in err and "condition number" in err
    assert ax.load("s.h5", "continue_fixed_points").sizes["point"] > 10
    assert "root: fixed points" in out


ROOT = """
system: root.py:root
analysis: [continue_fixed_points: {parameter: a, bounds: [-1, 2]}]
"""


@pytest.fixture(autouse=True)
def root(tmp_path):
    """A branch that ends where the right-hand side does."""
    (tmp_path / "root.py").write_text(
        "import attrax as ax\nimport jax.numpy as jnp\n"
        "@ax.flow(state={'x': ()}, parameters={'a': 1.0}, initial={'x': 1.0})\n"
        "def root(t, s, p):\n    return {'x': jnp.sqrt(p.a) - s.x}\n"
    )
