"""The house: who may import whom, what importing costs, and that every public name is there."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import attrax

ROOT = Path(attrax.__file__).parent.resolve()
MAY_IMPORT = {
    "engine": set(),
    "systems": {"engine"},
    "integrators": {"engine"},
    "analysis": {"engine", "integrators"},
    "scenarios": {"engine", "integrators", "systems", "analysis"},
}
MODULES = sorted(path for floor in MAY_IMPORT for path in (ROOT / floor).rglob("*.py"))
HEAVY = {"h5py", "jax", "llvmlite", "matplotlib", "numba", "scipy", "xarray"}


def imported(path: Path) -> set[str]:
    """The names of attrax's modules that a module imports: "engine.errors", or "" for attrax itself."""
    here = path.relative_to(ROOT).parent.parts
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition("attrax")[2][1:] for alias in node.names if is_attrax(alias.name)}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else ()
            module = ".".join((*base, *(node.module or "").split("."))).strip(".")
            if not node.level:
                if not is_attrax(module):
                    continue
                module = module.removeprefix("attrax").strip(".")
            if module:
                found.add(module)
            else:
                found |= {alias.name for alias in node.names if alias.name != "__version__"}
    return found


def is_attrax(module: str) -> bool:
    return module == "attrax" or module.startswith("attrax.")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_runs_upwards(path):
    floor = path.relative_to(ROOT).parts[0]
    wrong = {name for name in imported(path) if name.split(".")[0] not in {floor, *MAY_IMPORT[floor]}}
    assert not wrong, f"{floor} must not import {sorted(wrong)}"


def test_importing_attrax_is_cheap():
    code = "import sys, time; import attrax; print(time.process_time(), *sys.modules)"
    seconds, *modules = python(code).split()
    assert not HEAVY & {name.split(".")[0] for name in modules}
    assert float(seconds) < 0.2


@pytest.mark.parametrize("name", ["flow", "map", "parameter", "uniform", "normal", "known", "System", "errors"])
def test_declaring_a_system_is_cheap(name):
    code = f"import sys, attrax; attrax.{name}; print(*sys.modules)"
    assert not HEAVY & {module.split(".")[0] for module in python(code).split()}


@pytest.mark.parametrize("name", [*attrax.__all__, "__version__"])
def test_every_public_name_is_there(name):
    assert getattr(attrax, name) is not None
    assert name in dir(attrax)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'attrax' has no attribute 'flows'"):
        attrax.flows  # noqa: B018


def test_every_folder_is_packaged():
    folders = {path.parent.relative_to(ROOT) for path in MODULES if path.name == "__init__.py"}
    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["tool"]["setuptools"]
    names = {".".join(("attrax", *folder.parts)): "/".join(folder.parts) for folder in folders}
    assert settings["package-dir"] == {"attrax": ".", **names}
    assert set(settings["packages"]) == set(settings["package-dir"])
    assert all((path.parent / "__init__.py").exists() for path in MODULES)


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
