"""A scenario file becomes a checked `Scenario`, or one error that lists everything that is wrong with it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..engine.errors import AttraxError, InputError, ScenarioError
from .fields import Draw, nearest, show
from .messages import inside, keys_at, sentence
from .schema import Scenario, Simulate
from .text import LARGEST_FILE, Parsed, Path, parse

if TYPE_CHECKING:
    from ..engine.system import System

LIBRARY = FilePath(__file__).parent / "library"


@dataclass(frozen=True)
class Loaded:
    """A checked scenario, the system with its parameters and initial values, and where it came from."""

    scenario: Scenario
    system: System
    name: str
    text: str
    overrides: tuple[str, ...]


def load(file: str, overrides: Sequence[str] = (), *, trust: bool = False) -> Loaded:
    """Read, override and check a scenario file.

    Parameters
    ----------
    file : str
        Path of a YAML file, or the bare name of a scenario of the library.
    overrides : sequence of str
        ``key=value`` with dotted keys, values in YAML: ``simulate.t_end=100``.
    trust : bool
        Whether ``system: file.py:function`` may run that file.

    Raises
    ------
    ScenarioError
        With one line for each mistake, ``file:line:column: message``.
    """
    path = find(file)
    text = read(path)
    document = _Document(str(path), parse(text))
    for override in overrides:
        document.override(override)
    if not isinstance(document.data, dict):
        document.stop_if_wrong()
        what = "is empty" if document.data is None else f"holds {show(document.data)}"
        raise ScenarioError(f"{path}:1:1: expected a mapping such as 'system: chaos.lorenz', but the file {what}")
    system = document.find_system(path.parent, trust)
    scenario = document.validate(system)
    document.stop_if_wrong()
    assert scenario is not None and system is not None
    bound = document.bind(scenario, system)
    document.stop_if_wrong()
    return Loaded(scenario, bound, path.stem, text, tuple(overrides))


def library() -> dict[str, FilePath]:
    """Return the shipped scenarios: path by name."""
    return {path.stem: path for path in sorted(LIBRARY.glob("*.yaml"))}


def titles() -> list[tuple[str, str, str]]:
    """Return name, system and title of each shipped scenario."""
    parsed = {name: parse(read(path)).data for name, path in library().items()}
    return [(name, data["system"], data["title"]) for name, data in parsed.items()]


def catalogued(name: str) -> System:
    """Return a system of the catalogue.

    Raises
    ------
    InputError
        With the nearest names, if there is none of this name.
    """
    from .. import systems

    try:
        return systems.get(name)
    except InputError:
        hint = nearest(name, systems.names()) or "; see: attrax list"
        raise InputError(f"system {show(name)} is not known{hint}") from None


def find(file: str) -> FilePath:
    """Return the path of a scenario file, or of the library's scenario of that bare name.

    Raises
    ------
    ScenarioError
        If there is no such file.
    """
    path = FilePath(file)
    shipped = library()
    try:
        if path.is_dir():
            raise ScenarioError(f"{file}: expected a scenario file, got a directory")
        if path.exists():
            return path
    except (OSError, ValueError) as error:
        raise ScenarioError(f"{show(file)}: not a usable file name ({error})") from None
    if file in shipped:
        return shipped[file]
    here = [each.name for each in path.parent.glob("*.y*ml")] if path.parent.is_dir() else []
    bare = path.name == file and not path.suffix
    hint = nearest(file, shipped) if bare else nearest(path.name, here) if here else ""
    name = file if file.isprintable() else ascii(file)
    raise ScenarioError(f"{name}: there is no such file{' or library scenario' if bare else ''}{hint}")


def read(path: FilePath) -> str:
    """Return the text of a scenario file.

    Raises
    ------
    ScenarioError
        If it is not a readable file of UTF-8 text of at most 1 MiB.
    """
    try:
        if not path.is_file():
            raise ScenarioError(f"{path}: expected a regular file")
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise ScenarioError(f"{path}: {size} bytes; a scenario file has at most {LARGEST_FILE} (1 MiB)")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        column = error.start - error.object.rfind(b"\n", 0, error.start)
        raise ScenarioError(f"{path}:{line}:{column}: expected text in UTF-8, got a binary file") from None


class _Document:
    """A scenario on its way from YAML to a checked model, and what was found wrong with it."""

    def __init__(self, name: str, parsed: Parsed):
        self.name = name
        self.parsed = parsed
        self.data = parsed.data
        self.overridden: dict[Path, str] = {}
        self.problems: list[tuple[tuple, str]] = [
            ((0, *place), f"{name}:{place[0]}:{place[1]}: {message}") for place, message in parsed.problems
        ]

    def stop_if_wrong(self) -> None:
        if self.problems:
            lines = dict.fromkeys(line for _, line in sorted(self.problems))
            raise ScenarioError("\n".join(lines))

    def complain(self, path: Path, message: str, of_key: bool = False) -> None:
        """Note a problem at `path`: in the file, or in the override that set it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.overridden:
                self.problems.append(((1,), f"{self.overridden[path[:end]]}: {message}"))
                return
        line, column = self.parsed.position(path, of_key)
        self.problems.append(((0, line, column), f"{self.name}:{line}:{column}: {message}"))

    def override(self, text: str) -> None:
        """Set the value of a dotted key."""
        origin = f"--set {text}"
        key, equals, value = text.partition("=")
        parsed = parse(value)
        path = tuple(part.strip() for part in key.split("."))
        if not equals or not all(path):
            self.problems.append(((1,), f"{origin}: expected key=value, such as --set simulate.t_end=100"))
            return
        if parsed.problems:
            self.problems += [((1,), f"{origin}: {message}") for _, message in parsed.problems]
            return
        place = self.data = {} if self.data is None else self.data
        walked: Path = ()
        for part in path[:-1]:
            step = self._step(place, part)
            if step is None:
                break
            walked = (*walked, step)
            if isinstance(place, dict) and not isinstance(place.get(step), (dict, list)):
                place[step] = {}
                self.overridden[walked] = origin
            place = place[step]
        step = self._step(place, path[-1]) if len(walked) == len(path) - 1 else None
        if step is None:
            where = ".".join(map(str, walked)) or "the file"
            has = f"a list of {len(place)} (count from 0)" if isinstance(place, list) else show(place)
            self.problems.append(((1,), f"{origin}: {where} is {has}, without a part {path[len(walked)]!r}"))
            return
        place[step] = parsed.data
        self.overridden[(*walked, step)] = origin

    @staticmethod
    def _step(place: Any, part: str) -> str | int | None:
        if isinstance(place, dict):
            return part
        if isinstance(place, list) and part.isdecimal() and int(part) < len(place):
            return int(part)
        return None

    def find_system(self, folder: FilePath, trust: bool) -> System | None:
        """Return the system that the data name, or note why there is none."""
        name = self.data.get("system")
        if not isinstance(name, str) or not name:
            return None
        try:
            return _from_file(name, folder, trust) if ".py:" in name else catalogued(name)
        except InputError as error:
            self.complain(("system",), str(error))
            return None

    def validate(self, system: System | None) -> Scenario | None:
        """Return the checked model, or note everything that is wrong with the data."""
        try:
            return Scenario.model_validate(self.data, context=_names(self.data, system))
        except ValidationError as error:
            for each in error.errors(include_url=False):
                self._complain_of(each)
        except RecursionError:
            self.complain((), "this is nested too deeply")
        return None

    def _complain_of(self, error: Any) -> None:
        of_key = error["loc"][-1:] == ("[key]",)
        path = inside(self.data, error["loc"][:-1] if of_key else error["loc"])
        kind = error["type"]
        if kind == "missing":
            self.complain(path, f"key {str(error['loc'][-1])!r} is missing", True)
        elif kind == "extra_forbidden":
            key = str(path[-1])
            valid = keys_at(path[:-1])
            self.complain(path, f"key {show(key)} is not known here{nearest(key, valid)}", True)
        else:
            where = ".".join(str(each) for each in path)
            self.complain(path, f"{where}: {sentence(error)}" if where else sentence(error), of_key)

    def bind(self, scenario: Scenario, system: System) -> System:
        """Return the system with the scenario's parameters, inputs and initial values, or note why it has none."""
        try:
            system = system.with_parameters(**scenario.parameters)
        except AttraxError as error:
            self._complain_about(("parameters",), str(error))
            return system
        try:
            system = system.with_inputs(**{name: given.stream() for name, given in scenario.inputs.items()})
        except AttraxError as error:
            self._complain_about(("inputs",), str(error))
        try:
            system = with_initial(system, scenario)
        except AttraxError as error:
            self._complain_about(("initial",), str(error))
        if scenario.simulate:
            self._check_times(system, scenario.simulate)
        for index, step in enumerate(scenario.analysis):
            try:
                step.value.check(system)
            except InputError as error:
                self._complain_about(("analysis", index, step.key), str(error))
            earlier = scenario.groups[:index]
            for source in step.value.sources():
                if source.partition("/")[0] not in earlier:
                    hint = nearest(source, earlier) if earlier else "; list it before this one"
                    message = f"from: there is no earlier analysis {show(source)}{hint}"
                    self._complain_about(("analysis", index, step.key), message)
        return system

    def _check_times(self, system: System, settings: Simulate) -> None:
        from ..integrators.times import samples, span

        try:
            start, end, keep = span(system, settings.t_start, settings.t_end, settings.transient or 0.0)
            samples(system, start, end, keep if isinstance(settings.sample, list) else end, settings.sample)
        except InputError as error:
            self._complain_about(("simulate",), str(error))

    def _complain_about(self, path: Path, message: str) -> None:
        """Note a problem at the key below `path` that the message names, or else at `path`."""
        place: Any = self.data
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place.get(part) or {}
        keys = list(place) if isinstance(place, dict) else []
        named = [key for key in keys if repr(key) in message]
        named = named or [key for key in keys if re.search(rf"\b{re.escape(key)}", message)]
        self.complain((*path, *named[:1]), message)


def with_initial(system: System, scenario: Scenario) -> System:
    """Return the system with the initial values of a scenario, those to be drawn drawn with its seed.

    ``random`` draws what the system declares as random, and puts every other state near its default: normally
    distributed about it with standard deviation 0.1.
    """
    from ..engine import declaration

    starts: dict[str, Any] = {}
    if isinstance(scenario.initial, dict):
        for name, value in scenario.initial.items():
            drawn = isinstance(value, Draw)
            starts[name] = getattr(declaration, value.key)(*value.value) if drawn else value
        system = system.with_initial(**starts)
    values = system.draw_initial(scenario.seed)
    if scenario.initial == "random":
        import numpy as np

        generator = np.random.default_rng([scenario.seed, 1])
        for name, value in values.items():
            if not isinstance(system.starts.get(name), declaration.Draw):
                values[name] = value + generator.normal(0.0, 0.1, np.shape(value))
    return system.with_initial(**values)


def _from_file(name: str, folder: FilePath, trust: bool) -> System:
    from ..engine.system import System

    file, _, function = name.rpartition(":")
    path = folder / file
    if not trust:
        raise InputError(f"system {show(name)} would run the Python file {path}; if you trust it, add --trust")
    if not path.is_file():
        raise InputError(f"system {show(name)}: there is no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"system {show(name)}: running {path} failed: {type(error).__name__}: {error}") from error
    found = {key for key, value in vars(module).items() if isinstance(value, System)}
    if function not in found:
        raise InputError(f"system {show(name)}: {path} declares no system {function!r}{nearest(function, found)}")
    return getattr(module, function)


def _names(data: dict[str, Any], system: System | None) -> dict[str, Any]:
    """The valid names of the system, as validation context."""
    if system is None:
        return {}
    from ..integrators import methods
    from ..integrators.tableaux import TABLEAUX

    parameters = data.get("parameters")
    structure = {
        name: value
        for name, value in (parameters.items() if isinstance(parameters, dict) else ())
        if name in system.structure and isinstance(value, int)
    }
    with suppress(InputError):
        system = system.with_parameters(**structure)
    return {
        "system": system.name,
        "kind": system.kind,
        "parameter": set(system.parameters),
        "scalar parameter": {name for name, shape in system.numeric.items() if shape == ()},
        "input": set(system.inputs),
        "state": set(system.state),
        "scalar state": {name for name, shape in system.state.items() if shape == ()},
        "observable": set(system.observables),
        "shapes": system.state,
        "method": set(methods(system.kind)),
        "method of equal steps": {name for name, tableau in TABLEAUX.items() if not tableau.adaptive},
    }
