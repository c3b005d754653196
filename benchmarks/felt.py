"""What is felt: CPU time of fresh processes up to their first results, and of calls in a loop."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .harness import Contender, Limit, Table, Work
from .problems import LORENZ, starts

CALLS = 1000
SCENARIO = """\
system: chaos.lorenz
simulate: {t_end: 50, sample: 0.02}
analysis:
  - orbit_diagram:
      {parameter: rho, values: {from: 24, to: 30, points: 31}, observable: z, transient: 50, points: 30}
plots:
  - phase_portrait
"""

FIRST = {
    "attrax": "import attrax as ax; ax.simulate(ax.systems.get('chaos.lorenz'), 10.0)",
    "scipy": """\
from scipy.integrate import solve_ivp
def lorenz(t, s):
    x, y, z = s
    return [10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z]
solve_ivp(lorenz, (0, 10), [0.0, 1.0, 0.0], rtol=1e-6)""",
    "heyoka": """\
import heyoka as h
x, y, z = h.make_vars("x", "y", "z")
system = [(x, 10 * (y - x)), (y, x * (28 - z) - y), (z, x * y - 8 / 3 * z)]
h.taylor_adaptive(system, [0.0, 1.0, 0.0], tol=1e-6).propagate_until(10.0)""",
    "diffrax": """\
import diffrax as d, jax.numpy as jnp
def lorenz(t, s, a):
    x, y, z = s
    return jnp.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
d.diffeqsolve(d.ODETerm(lorenz), d.Tsit5(), 0, 10, None, jnp.array([0.0, 1.0, 0.0]),
              stepsize_controller=d.PIDController(rtol=1e-6, atol=1e-6)).ys.block_until_ready()""",
    "pynamicalsys": """\
from pynamicalsys import ContinuousDynamicalSystem as S
S(model="lorenz system").trajectory([0.0, 1.0, 0.0], 10.0, parameters=[10, 28, 8 / 3])""",
}
IMPORTS = ("numpy", "numba", "jax", "diffrax", "matplotlib.pyplot", "heyoka", "pynamicalsys", "numbalsoda")


def tables() -> Iterator[Table]:
    yield Table(
        title="Fresh process, imports",
        work="`python -c 'import ...'` and the command's help.",
        contenders=[
            Contender("nothing", _process(["-c", ""]), adapts=False),
            Contender("import attrax", _process(["-c", "import attrax"], "attrax"), adapts=False),
            Contender("attrax --help", _process(["-m", "attrax", "--help"], "attrax"), adapts=False),
            *(Contender(f"import {m}", _process(["-c", f"import {m}"], m), adapts=False) for m in IMPORTS),
        ],
        goals=[Limit("import attrax", 0.2), Limit("attrax --help", 0.3)],
    )
    first, run = ["-c", FIRST["attrax"]], ["-m", "attrax", "run", "scenario.yaml", "--force"]
    yield Table(
        title="Fresh process, first results",
        work="Lorenz to t = 10, and a scenario of a trajectory, an orbit diagram and a figure. Cached: "
        "attrax finds the code that an earlier process compiled.",
        contenders=[
            Contender("attrax trajectory, cached", _process(first, "attrax"), adapts=False),
            Contender("attrax trajectory, uncached", _process(first, "attrax", fresh=True), adapts=False),
            Contender("attrax scenario, cached", _process(run, "attrax"), adapts=False),
            Contender("attrax scenario, uncached", _process(run, "attrax", fresh=True), adapts=False),
            *(
                Contender(f"{name} trajectory", _process(["-c", code], name), adapts=False)
                for name, code in FIRST.items()
                if name != "attrax"
            ),
        ],
        goals=[
            Limit("attrax trajectory, cached", 1.5),
            Limit("attrax scenario, cached", 3.0),
            Limit("attrax scenario, uncached", 10.0),
        ],
        rounds=3,
    )
    yield Table(
        title="Calls in a loop",
        work=f"{CALLS} calls, each with another rho, that integrate Lorenz over 0.01: what a call costs "
        "beside the integration, which takes some microseconds.",
        contenders=[
            Contender("attrax.simulate tsit5", _calls(_attrax("tsit5")), adapts=False),
            Contender("attrax.simulate rk4", _calls(_attrax("rk4", dt=0.001)), adapts=False),
            Contender("heyoka", _calls(_heyoka), adapts=False),
            Contender("scipy solve_ivp", _calls(_scipy), adapts=False),
        ],
        goals=[Limit("attrax.simulate tsit5", 0.2), Limit("attrax.simulate rk4", 0.2)],
        unit="ms a call",
    )


def _process(arguments: list[str], module: str = "sys", *, fresh: bool = False) -> Callable[[float], Work]:
    """A Python process; with ``fresh`` each one begins with an empty cache of compiled code."""

    def prepare(_: float) -> Work:
        if find_spec(module.split(".")[0]) is None:
            raise ModuleNotFoundError(module, name=module)
        folder, fixed = _folder(), _folder() / "cache"

        def run() -> None:
            cache_folder = Path(tempfile.mkdtemp(dir=folder)) if fresh else fixed
            environment = {**os.environ, "ATTRAX_CACHE_DIR": str(cache_folder), "MPLBACKEND": "agg"}
            done = subprocess.run(
                [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True
            )
            if fresh:
                shutil.rmtree(cache_folder)
            if done.returncode:
                raise RuntimeError((done.stderr or done.stdout).strip().splitlines()[-1])

        return Work(run)

    return prepare


@cache
def _scratch() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="attrax-felt-")


def _folder() -> Path:
    """A scratch folder with the scenario, removed when this process ends."""
    folder = Path(_scratch().name)
    (folder / "scenario.yaml").write_text(SCENARIO)
    return folder


def _calls(make: Callable[[], Callable[[float], object]]) -> Callable[[float], Work]:
    def prepare(_: float) -> Work:
        call = make()

        def run() -> None:
            for rho in np.linspace(24.0, 28.0, CALLS).tolist():
                call(rho)

        return Work(run)

    return prepare


def _attrax(method: str, **options: float) -> Callable[[], Callable[[float], object]]:
    def make() -> Callable[[float], object]:
        import attrax as ax

        system = ax.systems.get("chaos.lorenz")
        return lambda rho: ax.simulate(
            system, 0.01, method=method, parameters={"rho": rho}, sample="end", workers=1, **options
        )

    return make


def _heyoka() -> Callable[[float], object]:
    import heyoka

    x, y, z = heyoka.make_vars("x", "y", "z")
    system = [(x, 10.0 * (y - x)), (y, x * (heyoka.par[0] - z) - y), (z, x * y - 8 / 3 * z)]
    integrator = heyoka.taylor_adaptive(system, [0.0, 1.0, 0.0], pars=[28.0], tol=1e-6)

    def call(rho: float) -> object:
        integrator.time = 0.0
        integrator.state[:] = (0.0, 1.0, 0.0)
        integrator.pars[0] = rho
        return integrator.propagate_until(0.01)

    return call


def _scipy() -> Callable[[float], object]:
    from scipy.integrate import solve_ivp

    from .trajectories import derivatives

    x0 = starts(LORENZ)[0]
    return lambda rho: solve_ivp(
        lambda t, s: derivatives(LORENZ, s, (10.0, rho, 8 / 3)), (0.0, 0.01), x0, method="DOP853", rtol=1e-6
    )
