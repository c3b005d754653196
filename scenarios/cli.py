"""The command line: ``attrax run``, ``validate``, ``list``, ``show``, ``plot``, ``schema``.

Exit codes: 0 done; 2 the user's input is wrong; 3 the numerics failed; 130 interrupted. What was computed is
kept. Each command imports what it needs, so that ``attrax --help`` is immediate.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..engine.errors import AttraxError, Interrupted, NumericsError

app = typer.Typer(
    name="attrax",
    help="Dynamical systems: simulate, analyse, draw.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ScenarioFile = Annotated[str, typer.Argument(metavar="SCENARIO", help="A YAML file, or a name from 'attrax list'.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Replace a value, as in simulate.t_end=100."),
]
Trust = Annotated[bool, typer.Option("--trust", help="Let the scenario run the Python file that it names.")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.
    """
    try:
        app(list(sys.argv[1:] if arguments is None else arguments), prog_name="attrax")
    except SystemExit as stop:
        return int(stop.code or 0)
    except AttraxError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 130 if isinstance(error, Interrupted) else 3 if isinstance(error, NumericsError) else 2
    except MemoryError:
        print("Error: there is not enough memory; ask for fewer members, samples or points", file=sys.stderr)
        return 3
    return 0


def _print_version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        print(__version__)
        raise typer.Exit


@app.callback()
def _attrax(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


@app.command()
def run(
    scenario: ScenarioFile,
    overrides: Overrides = None,
    output: Annotated[str | None, typer.Option("--output", "-o", metavar="OUT.h5", help="The file to write.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    trust: Trust = False,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; one for each core by default.")] = None,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Draw no figures.")] = False,
) -> None:
    """Compute a scenario into an HDF5 file and draw it."""
    from . import loader, runner, terminal

    loaded = loader.load(scenario, overrides or (), trust=trust)
    with terminal.progress_bar() as progress:
        done = runner.run(loaded, output, force=force, workers=workers, plots=not no_plots, progress=progress)
    terminal.console().print(terminal.outcome(done))
    if failures := [result.failure for result in done.results if result.failure]:
        raise NumericsError("\n".join(failures))


@app.command()
def validate(scenario: ScenarioFile, overrides: Overrides = None, trust: Trust = False) -> None:
    """Check a scenario without computing anything."""
    from .loader import load

    loaded = load(scenario, overrides or (), trust=trust)
    print(f"{loaded.name}: a valid scenario of {loaded.system.name}")


@app.command("list")
def catalogue() -> None:
    """List the catalogued systems and the library's scenarios."""
    from .. import systems
    from . import loader, terminal

    terminal.console().print(terminal.catalogue(map(systems.get, systems.names()), loader.titles()))


@app.command()
def show(system: Annotated[str, typer.Argument(metavar="SYSTEM", help="A name from 'attrax list'.")]) -> None:
    """Show a system: equations, parameters, known values."""
    from . import loader, terminal

    terminal.console().print(terminal.system(loader.catalogued(system)))


@app.command()
def plot(
    file: Annotated[str, typer.Argument(metavar="FILE.h5", help="What 'attrax run' has written.")],
    kind: Annotated[str | None, typer.Option(help="Only these figures: time_series, phase_portrait, ...")] = None,
    folder: Annotated[
        str | None,
        typer.Option("--output", "-o", metavar="DIR", help="Where the figures go; beside the file by default."),
    ] = None,
) -> None:
    """Draw what a file holds, as PNG files."""
    from .runner import draw

    for path in draw(file, kind, folder):
        print(path)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    import json

    from .schema import json_schema

    print(json.dumps(json_schema(), indent=2))
