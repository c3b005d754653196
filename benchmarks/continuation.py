"""Branches of fixed points: AUTO-07p's demo ab against AUTO itself, and a network of 100 neurons.

AUTO (Debian: auto-07p, in /usr/lib/auto-07p, or in the folder that the environment variable AUTO_DIR names) is compiled
with the equations of its demo. It runs as its users run it, by ``run("ab")`` of its Python interface, and as the bare
executable.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from .harness import Contender, Limit, Ratio, Table, Work

U1 = (18 - np.sqrt(18**2 - 20 * 14)) / 28
HOPF = U1 / (1 - U1) * np.exp(-14 * U1 / 4)
"""p1 at the first Hopf point for p2 = 14: the trace vanishes where 14 u1^2 - 18 u1 + 5 = 0."""

EQUATIONS = """
subroutine func(ndim, u, icp, par, ijac, f, dfdu, dfdp)
  implicit none
  integer, intent(in) :: ndim, icp(*), ijac
  double precision, intent(in) :: u(ndim), par(*)
  double precision, intent(out) :: f(ndim)
  double precision, intent(inout) :: dfdu(ndim, ndim), dfdp(ndim, *)
  double precision :: e
  e = exp(u(2))
  f(1) = -u(1) + par(1) * (1 - u(1)) * e
  f(2) = -u(2) + par(1) * par(2) * (1 - u(1)) * e - par(3) * u(2)
  if (ijac == 0) return
  dfdu(1, 1) = -1 - par(1) * e
  dfdu(1, 2) = par(1) * (1 - u(1)) * e
  dfdu(2, 1) = -par(1) * par(2) * e
  dfdu(2, 2) = -1 - par(3) + par(1) * par(2) * (1 - u(1)) * e
  if (ijac == 1) return
  dfdp(1, 1) = (1 - u(1)) * e
  dfdp(2, 1) = par(2) * (1 - u(1)) * e
end subroutine func

subroutine stpnt(ndim, u, par, t)
  implicit none
  integer, intent(in) :: ndim
  double precision, intent(inout) :: u(ndim), par(*)
  double precision, intent(in) :: t
  par(1:3) = (/ 0d0, 14d0, 3d0 /)
  u(1:2) = 0
end subroutine stpnt
""" + "".join(f"\nsubroutine {name}\nend subroutine {name}\n" for name in ("bcnd", "icnd", "fopt", "pvls"))

CONSTANTS = """NDIM=2, IPS=1, IRS=0, ILP=1, ICP=[1]
NTST=50, NCOL=4, IAD=3, ISP=1, ISW=1, IPLT=0, NBC=0, NINT=0
NMX=100000, NPR=100000, MXBF=0, IID=0, ITMX=8, ITNW=5, NWTN=3, JAC=1
EPSL=1e-7, EPSU=1e-7, EPSS=1e-5
DS={first}, DSMIN=1e-06, DSMAX={longest}, IADS=1
NPAR=3, RL0=-1, RL1=0.5
"""


def tables() -> list[Table]:
    return [
        *(
            Table(
                f"Demo ab of AUTO-07p: a branch of about {870 * finer} fixed points",
                "p2 = 14, p1 from 0 to 0.5 in equal steps, folds and Hopf points located. Error: of p1 at the first "
                "Hopf point.",
                [
                    Contender("attrax", lambda _, finer=finer: _attrax(finer), adapts=False),
                    Contender("AUTO-07p, from Python", lambda _, finer=finer: _auto_from_python(finer), adapts=False),
                    Contender("AUTO-07p, bare executable", lambda _, finer=finer: _auto(finer), adapts=False),
                ],
                [
                    Ratio("AUTO-07p, from Python", "attrax", 1.0),
                    Ratio("AUTO-07p, bare executable", "attrax", 1.0),
                    Limit("attrax", 870 * finer / 4500),
                ],
                rounds=15,
            )
            for finer in (1, 10)
        ),
        Table(
            "A branch of a network of 100 neurons: about 1000 points",
            "x' = -x + g tanh(W x) + b, g from 0 to 3, all eigenvalues at each point.",
            [Contender("attrax", lambda _: _network(), adapts=False)],
            [Limit("attrax", 10.0)],
            rounds=3,
        ),
    ]


def _attrax(finer: int) -> Work:
    import jax.numpy as jnp

    import attrax as ax

    @ax.flow(state={"u1": (), "u2": ()}, parameters={"p1": 0.0, "p2": 14.0, "p3": 3.0})
    def ab(t, s, p):
        rate = p.p1 * (1 - s.u1) * jnp.exp(s.u2)
        return {"u1": -s.u1 + rate, "u2": -s.u2 + p.p2 * rate - p.p3 * s.u2}

    def run():
        step = 0.00255 / finer
        return ax.analysis.continue_fixed_points(ab, "p1", (0, 0.5), max_step=step, step=step, max_points=10_000)

    branch = run()
    if not 840 * finer < len(branch) < 900 * finer:
        raise RuntimeError(f"{len(branch)} points instead of {870 * finer}")
    return Work(run, lambda: abs(branch["H1"].parameters["p1"] - HOPF))


def _auto(finer: int) -> Work:
    objects = sorted(map(str, (_auto_directory() / "lib").glob("*.o")))
    folder = _demo(finer, "fort.2")
    here = Path(folder.name)
    compiler = ["gfortran", "-O3", "-fopenmp", "ab.f90", *objects, "-o", "ab"]
    subprocess.run(compiler, cwd=here, check=True, capture_output=True)

    def run():
        subprocess.run([here / "ab"], cwd=folder.name, check=True, capture_output=True)

    def error():
        rows = [line.split() for line in (here / "fort.7").read_text().splitlines()]
        hopf = next(row for row in rows if len(row) > 4 and row[2] in ("3", "-3"))
        return abs(float(hopf[4]) - HOPF)

    return Work(run, error)


def _auto_from_python(finer: int) -> Work:
    os.environ["AUTO_DIR"] = str(_auto_directory())
    sys.path.insert(0, str(_auto_directory() / "python"))
    import auto.AUTOclui  # type: ignore[import-not-found]

    folder = _demo(finer, "c.ab")

    def run():
        with contextlib.chdir(folder.name), contextlib.redirect_stdout(io.StringIO()):
            return auto.run("ab", c="ab")

    return Work(run, lambda: abs(run()("HB1")["PAR(1)"] - HOPF))


def _auto_directory() -> Path:
    found = Path(os.environ.get("AUTO_DIR", "/usr/lib/auto-07p"))
    if not (found / "lib").is_dir():
        raise ModuleNotFoundError("auto-07p", name="auto-07p")
    return found


def _demo(finer: int, constants: str) -> tempfile.TemporaryDirectory:
    """A folder with the equations and the constants of the demo, with finer steps."""
    folder = tempfile.TemporaryDirectory(prefix="auto-")
    (Path(folder.name) / "ab.f90").write_text(EQUATIONS)
    steps = {"first": 0.002 / finer, "longest": 0.004 / finer}
    (Path(folder.name) / constants).write_text(CONSTANTS.format(**steps))
    return folder


def _network() -> Work:
    import jax.numpy as jnp

    import attrax as ax

    n = 100
    generator = np.random.default_rng(0)
    W, b = generator.normal(size=(n, n)) / np.sqrt(n), generator.normal(size=n) / 2

    @ax.flow(state={"x": (n,)}, parameters={"g": 0.1})
    def network(t, s, p):
        return {"x": -s.x + p.g * jnp.tanh(jnp.asarray(W) @ s.x) + jnp.asarray(b)}

    def run():
        return ax.analysis.continue_fixed_points(network, "g", (0, 3), max_step=0.005, max_points=1000)

    if len(run()) < 900:
        raise RuntimeError("fewer than 900 points")
    return Work(run)
