"""Branches of limit cycles: the demos ab, pp2 and lor of AUTO-07p, from their Hopf points on, against AUTO itself.

AUTO is found, compiled and run as in `continuation`. Its own runs up to the Hopf point are not timed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .harness import Contender, Ratio, Table, Work

POINTS = 100
"""Cycles computed of each branch; times are of ten such branches, that is 1000 cycles."""
INTERVALS = (20, 50)
LOOKED_AT = 12
"""Cycles of a branch whose period is compared with that of the cycle refined to 1e-11."""


def tables() -> Iterator[Table]:
    for name in DEMOS:
        for count in INTERVALS:
            yield Table(
                title=f"Limit cycles, AUTO's demo {name}, {count} intervals",
                work=f"{POINTS} cycles from the Hopf point on, with 4 collocation points in each interval (attrax "
                "takes more intervals where it needs them), meshes adapted every third step, corrections to 1e-7, "
                "Floquet multipliers, folds, period doublings and tori located; times are of 1000 cycles. Error: of "
                "the period, median over the branch.",
                contenders=[
                    Contender("attrax", _attrax(name, count), share=POINTS / 1000, adapts=False),
                    Contender("AUTO-07p, bare executable", _auto(name, count), share=POINTS / 1000, adapts=False),
                ],
                goals=[Ratio("AUTO-07p", "attrax", 1.0)],
            )


@dataclass(frozen=True)
class Demo:
    """A demo: its system, and what AUTO needs to know.

    Attributes
    ----------
    make : callable
        The system.
    parameter, bounds
        What is followed, and where to end.
    equations, derivatives, start : str
        Fortran, with ``u`` the state and ``par(1)`` the parameter.
    hopf, cycles : tuple of float
        First, smallest and largest step to the Hopf point, and along the branch of cycles (such that AUTO's 100 cycles
        reach about as far).
    """

    make: Callable[[], Any]
    parameter: str
    bounds: tuple[float, float]
    equations: str
    derivatives: str
    start: str
    hopf: tuple[float, float, float]
    cycles: tuple[float, float, float]


def _attrax(name: str, intervals: int) -> Callable[[float], Work]:
    demo = DEMOS[name]

    def prepare(_: float) -> Work:
        from attrax.analysis import continue_cycles

        system, hopf = demo.make(), _hopf(name)

        def run() -> Any:
            return continue_cycles(
                system,
                demo.parameter,
                demo.bounds,
                start=hopf,
                intervals=intervals,
                max_step=0.02,
                max_points=POINTS,
            )

        def error() -> float:
            data = run().data
            return _error(name, data[demo.parameter].values, data.period.values)

        branch = run()
        if len(branch) < POINTS / 2:
            raise ArithmeticError(f"the branch ends after {len(branch)} points: {branch.endings[1]}")
        return Work(run, error)

    return prepare


def _hopf(name: str) -> Any:
    from attrax.analysis import continue_fixed_points

    demo = DEMOS[name]
    return continue_fixed_points(demo.make(), demo.parameter, demo.bounds).special("H")[0]


def _error(name: str, values: np.ndarray, periods: np.ndarray) -> float:
    """Median relative error of periods along a branch."""
    from attrax.analysis import continue_cycles, find_cycle

    demo = DEMOS[name]
    system = demo.make()
    fine = continue_cycles(
        system, demo.parameter, demo.bounds, start=_hopf(name), intervals=60, max_step=0.02, max_points=3 * POINTS
    )
    known = np.stack([fine.data[demo.parameter].values, fine.data.period.values])
    width = np.ptp(known, axis=1, keepdims=True)
    errors = []
    for k in np.linspace(len(values) // 8, len(values) - 2, LOOKED_AT).astype(int):
        here = np.array([[values[k]], [periods[k]]])
        nearest = int(np.argmin((abs(known - here) / width).sum(axis=0)))
        exact = find_cycle(system.with_parameters(**{demo.parameter: values[k]}), fine.cycle(nearest)).period
        errors.append(abs(periods[k] / exact - 1))
    return float(np.median(errors))


def _auto(name: str, intervals: int) -> Callable[[float], Work]:
    demo = DEMOS[name]

    def prepare(_: float) -> Work:
        library = Path(os.environ.get("AUTO_DIR", "/usr/lib/auto-07p")) / "lib"
        objects = sorted(map(str, library.glob("*.o")))
        if not objects:
            raise ModuleNotFoundError("auto-07p", name="auto-07p")
        folder = tempfile.TemporaryDirectory(prefix="auto-")
        here = Path(folder.name)
        (here / "demo.f90").write_text(_program(demo))
        compiler = ["gfortran", "-O3", "-fopenmp", "demo.f90", *objects, "-o", "demo"]
        subprocess.run(compiler, cwd=here, check=True, capture_output=True)
        dimension = demo.make().dimension
        settings = {"dimension": dimension, "intervals": intervals, "low": demo.bounds[0], "high": demo.bounds[1]}

        def run() -> None:
            environment = os.environ | {"OMP_NUM_THREADS": "1"}
            subprocess.run([here / "demo"], cwd=folder.name, check=True, capture_output=True, env=environment)

        (here / "fort.2").write_text(_constants(demo.hopf, ips=1, irs=0, icp="[1]", points=1000, **settings))
        run()
        label = next(int(row[3]) for row in _rows(here) if row[2] == "3")
        shutil.copy(here / "fort.8", here / "fort.3")
        constants = _constants(demo.cycles, ips=2, irs=label, icp="[1, 11]", points=POINTS, **settings)
        (here / "fort.2").write_text(constants)
        run()

        def error() -> float:
            assert folder.name
            table = np.array([[float(row[4]), float(row[-1])] for row in _rows(here)])
            return _error(name, table[:, 0], table[:, 1])

        return Work(run, error)

    return prepare


def _rows(here: Path) -> list[list[str]]:
    """The points that AUTO has computed: branch, point, type, label, parameter, norm, ..., period."""
    rows = [line.split() for line in (here / "fort.7").read_text().splitlines()]
    return [row for row in rows if row[0] != "0"]


def _program(demo: Demo) -> str:
    return f"""
subroutine func(ndim, u, icp, par, ijac, f, dfdu, dfdp)
  implicit none
  integer, intent(in) :: ndim, icp(*), ijac
  double precision, intent(in) :: u(ndim), par(*)
  double precision, intent(out) :: f(ndim)
  double precision, intent(inout) :: dfdu(ndim, ndim), dfdp(ndim, *)
  double precision :: e
{demo.equations}
  if (ijac == 0) return
{demo.derivatives}
end subroutine func

subroutine stpnt(ndim, u, par, t)
  implicit none
  integer, intent(in) :: ndim
  double precision, intent(inout) :: u(ndim), par(*)
  double precision, intent(in) :: t
{demo.start}
end subroutine stpnt
""" + "".join(f"\nsubroutine {name}\nend subroutine {name}\n" for name in ("bcnd", "icnd", "fopt", "pvls"))


def _constants(
    steps: tuple[float, float, float],
    *,
    ips: int,
    irs: int,
    icp: str,
    points: int,
    dimension: int,
    intervals: int,
    low: float,
    high: float,
) -> str:
    return f"""NDIM={dimension}, IPS={ips}, IRS={irs}, ILP=1, ICP={icp}
NTST={intervals}, NCOL=4, IAD=3, ISP=2, ISW=1, IPLT=0, NBC=0, NINT=0
NMX={points}, NPR={points}, MXBF=0, IID=0, ITMX=8, ITNW=5, NWTN=3, JAC=1
EPSL=1e-7, EPSU=1e-7, EPSS=1e-5
DS={steps[0]}, DSMIN={steps[1]}, DSMAX={steps[2]}, IADS=1
NPAR=1, THL={{11: 0.0}}, RL0={low}, RL1={high}
"""


def _ab() -> Any:
    import jax.numpy as jnp

    import attrax as ax

    @ax.flow(state={"u1": (), "u2": ()}, parameters={"p1": 0.01, "p2": 14.0})
    def ab(t, s, p):
        rate = p.p1 * (1 - s.u1) * jnp.exp(s.u2)
        return {"u1": -s.u1 + rate, "u2": -s.u2 + p.p2 * rate - 3 * s.u2}

    return ab


def _pp2() -> Any:
    import jax.numpy as jnp

    import attrax as ax

    @ax.flow(state={"u1": (), "u2": ()}, parameters={"p1": 0.5}, initial={"u1": 0.4, "u2": 1.0})
    def pp2(t, s, p):
        rate = 3 * s.u1 * (1 - s.u1) - s.u1 * s.u2 - p.p1 * (1 - jnp.exp(-5 * s.u1))
        return {"u1": rate, "u2": -s.u2 + 3 * s.u1 * s.u2}

    return pp2


def _lor() -> Any:
    import attrax as ax

    return ax.systems.chaos.lorenz.with_parameters(rho=10.0).with_initial(x=5.0, y=5.0, z=9.0)


DEMOS = {
    "ab": Demo(
        _ab,
        "p1",
        (0.0, 0.25),
        """  e = exp(u(2))
  f(1) = -u(1) + par(1) * (1 - u(1)) * e
  f(2) = -u(2) + par(1) * 14 * (1 - u(1)) * e - 3 * u(2)""",
        """  dfdu(1, 1) = -1 - par(1) * e
  dfdu(1, 2) = par(1) * (1 - u(1)) * e
  dfdu(2, 1) = -par(1) * 14 * e
  dfdu(2, 2) = -4 + par(1) * 14 * (1 - u(1)) * e
  if (ijac == 1) return
  dfdp(1, 1) = (1 - u(1)) * e
  dfdp(2, 1) = 14 * (1 - u(1)) * e""",
        "  par(1) = 0\n  u(1:2) = 0",
        (0.01, 0.001, 0.05),
        (0.02, 0.001, 0.2),
    ),
    "pp2": Demo(
        _pp2,
        "p1",
        (0.0, 1.0),
        """  e = exp(-5 * u(1))
  f(1) = 3 * u(1) * (1 - u(1)) - u(1) * u(2) - par(1) * (1 - e)
  f(2) = -u(2) + 3 * u(1) * u(2)""",
        """  dfdu(1, 1) = 3 - 6 * u(1) - u(2) - par(1) * 5 * e
  dfdu(1, 2) = -u(1)
  dfdu(2, 1) = 3 * u(2)
  dfdu(2, 2) = -1 + 3 * u(1)
  if (ijac == 1) return
  dfdp(1, 1) = -(1 - e)
  dfdp(2, 1) = 0""",
        "  par(1) = 0.5\n  u(1:2) = (/ 1d0 / 3, 2 - 1.5d0 * (1 - exp(-5d0 / 3)) /)",
        (0.01, 0.001, 0.02),
        (0.002, 0.0002, 0.005),
    ),
    "lor": Demo(
        _lor,
        "rho",
        (1.0, 30.0),
        """  f(1) = 10 * (u(2) - u(1))
  f(2) = par(1) * u(1) - u(2) - u(1) * u(3)
  f(3) = u(1) * u(2) - 8 * u(3) / 3""",
        """  dfdu(1, 1:3) = (/ -10d0, 10d0, 0d0 /)
  dfdu(2, 1:3) = (/ par(1) - u(3), -1d0, -u(1) /)
  dfdu(3, 1:3) = (/ u(2), u(1), -8d0 / 3 /)
  if (ijac == 1) return
  dfdp(1:3, 1) = (/ 0d0, u(1), 0d0 /)""",
        "  par(1) = 10\n  u(1:3) = (/ sqrt(24d0), sqrt(24d0), 9d0 /)",
        (0.1, 0.01, 0.5),
        (0.1, 0.01, 0.3),
    ),
}
