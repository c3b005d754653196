"""A trajectory is the same for every width, company, number of threads, pause and file; and other solvers agree."""

from __future__ import annotations

from importlib import import_module

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import attrax as ax
from attrax.integrators import groups
from attrax.integrators.tableaux import TABLEAUX

planning = import_module("attrax.integrators.planning")
LORENZ, ROESSLER, VAN_DER_POL = ax.systems.chaos.lorenz, ax.systems.chaos.roessler, ax.systems.chaos.van_der_pol
RHO = np.linspace(0.5, 60.0, 41)


@ax.flow(state={"x": (), "v": ()}, parameters={"damping": 0.1, "force": 0.4}, initial={"x": 0.2})
def duffing(t, s, p):
    return {"x": s.v, "v": s.x - s.x**3 - p.damping * s.v + p.force * jnp.cos(1.2 * t)}


@ax.flow(state={"q": (2,), "v": (2,)}, initial={"q": [0.4, 0.0], "v": [0.0, 2.0]})
def kepler(t, s, p):
    return {"q": s.v, "v": -s.q / jnp.sum(s.q**2) ** 1.5}


@ax.flow(state={"x": (2,)}, initial={"x": [2.0, 1.0]})
def stiffish(t, s, p):
    return {"x": jnp.array([[98.0, 198.0], [-99.0, -199.0]]) @ s.x + jnp.array([jnp.sin(t), 0.0])}


@ax.flow(state={"x": ("n",)}, parameters={"n": 5, "gain": 3.0}, initial={"x": lambda p: np.linspace(-1.0, 1.0, p.n)})
def ring(t, s, p):
    return {"x": -s.x + p.gain * jnp.tanh(jnp.roll(s.x, 1)) + jnp.exp(-(s.x**2)) * jnp.sin(t)}


HOW = {
    "fixed": {"method": "rk4", "dt": 0.01},
    "fixed, samples between steps": {"method": "dopri5", "dt": 0.013},
    "adaptive": {"method": "tsit5", "rtol": 1e-7},
    "adaptive, order 8": {"method": "dop853", "rtol": 1e-9},
}
SAMPLES = {"regular": 0.11, "irregular": np.sort(np.random.default_rng(1).uniform(0, 3, 57)), "end": "end"}


def same(one, other) -> None:
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name].values, other[name].values, err_msg=name)


def columns(system) -> list[str]:
    return [*system.state, "status", "t_stop", "steps", "rejected"]


@pytest.fixture(scope="module", params=HOW, ids=lambda name: name.replace(" ", "-"))
def how(request):
    return HOW[request.param]


@pytest.mark.parametrize("width", [1, 8, 16, 32, 64])
@pytest.mark.parametrize("sample", SAMPLES)
def test_width_of_lanes(how, sample, width, monkeypatch):
    given = {"sample": SAMPLES[sample], "parameters": {"rho": RHO}, "workers": 1, **how}
    alone = [ax.simulate(LORENZ, 3.0, **{**given, "parameters": {"rho": rho}}) for rho in RHO[::10]]
    for name in ("lanes", "fixed_lanes"):
        monkeypatch.setattr(planning, name, lambda *sizes, **more: width)
    together = ax.simulate(LORENZ, 3.0, **given)
    for one, rho in zip(alone, RHO[::10], strict=True):
        same(one, together.sel(rho=rho))


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("members", [1, 2, 31, 33, 41])
def test_company(how, sample, members):
    whole = ax.simulate(LORENZ, 3.0, sample=SAMPLES[sample], parameters={"rho": RHO}, **how)
    part = ax.simulate(LORENZ, 3.0, sample=SAMPLES[sample], parameters={"rho": RHO[:members][::-1]}, **how)
    same(whole.isel(rho=slice(0, members)), part.isel(rho=slice(None, None, -1)))


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads(how, workers):
    rho = np.linspace(0.5, 60.0, 300)
    given = {"sample": 0.5, "parameters": {"rho": rho}, **how}
    same(ax.simulate(LORENZ, 3.0, workers=1, **given), ax.simulate(LORENZ, 3.0, workers=workers, **given))


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("members", [1, 41])
def test_pauses(how, sample, members, monkeypatch):
    given = {"sample": SAMPLES[sample], "parameters": {"rho": RHO[:members]}, "workers": 1, **how}
    flowing = ax.simulate(LORENZ, 3.0, **given)
    monkeypatch.setattr(groups, "Pace", Hasty)
    looks = []
    halting = ax.simulate(LORENZ, 3.0, progress=looks.append, **given)
    same(flowing, halting)
    assert len(looks) > 5
    assert looks == sorted(looks) and looks[-1] == 1.0


class Hasty(groups.Pace):
    """Looks up after as little work as possible."""

    def __init__(self, amount: int):
        super().__init__(1)
        self.looks = 0

    def __exit__(self, *_: object) -> None:
        self.looks += 1
        self.amount = self.looks % 7 + 1


def test_pauses_of_a_map(monkeypatch):
    henon = ax.systems.maps.henon
    given = {"parameters": {"a": np.linspace(0.2, 1.4, 37)}, "transient": 13, "sample": 3, "workers": 1}
    flowing = ax.simulate(henon, 500, **given)
    monkeypatch.setattr(groups, "Pace", Hasty)
    same(flowing, ax.simulate(henon, 500, **given))


def test_state_arrays_and_vector_functions_in_lanes():
    gains = np.linspace(0.1, 6.0, 19)
    for how in HOW.values():
        together = ax.simulate(ring, 4.0, parameters={"gain": gains}, sample=0.3, **how)
        for gain in gains[::6]:
            same(ax.simulate(ring, 4.0, parameters={"gain": gain}, sample=0.3, **how), together.sel(gain=gain))


@pytest.mark.parametrize("n", [3, 9, 60])
def test_dimension_changes_nothing_for_uncoupled_copies(n):
    """Copies of one equation keep equal, however many there are."""

    @ax.flow(state={"x": ("n",)}, parameters={"n": n, "gain": 2.0}, initial={"x": 0.3})
    def copies(t, s, p):
        return {"x": p.gain * s.x * (1 - s.x) * jnp.cos(t)}

    data = ax.simulate(copies, 5.0, parameters={"gain": [1.0, 2.0]}, rtol=1e-8)
    assert (data.x.values == data.x.values[..., :1]).all()


# -- other solvers ---------------------------------------------------------------------------------------------

PROBLEMS = {
    "lorenz": (LORENZ, 8.0, 1e-7),
    "van der pol": (VAN_DER_POL, 20.0, 1e-8),
    "roessler": (ROESSLER, 20.0, 1e-8),
    "kepler": (kepler, 12.0, 1e-8),
    "forced": (duffing, 20.0, 1e-7),
    "stiff-ish": (stiffish, 3.0, 1e-9),
    "ring": (ring, 15.0, 1e-8),
}


def reference(system, t_end: float, times: np.ndarray) -> np.ndarray:
    f = system.as_scipy()
    solution = solve_ivp(f, (0.0, t_end), f.initial, method="DOP853", rtol=1e-13, atol=1e-13, t_eval=times)
    return solution.y.T


def flat(system, data) -> np.ndarray:
    return np.concatenate([data[k].values.reshape(data.sizes["time"], -1) for k in system.state], axis=1)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("method", ["tsit5", "dopri5", "dop853"])
def test_scipy_agrees(problem, method):
    system, t_end, accuracy = PROBLEMS[problem]
    times = np.linspace(0.0, t_end, 301)
    data = ax.simulate(system, t_end, sample=times, method=method, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(flat(system, data), reference(system, t_end, times), rtol=0, atol=accuracy)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_scipy_agrees_backwards(problem):
    """Back along the way from the end, at samples of falling time."""
    system, t_end, accuracy = PROBLEMS[problem]
    t_end = min(
        t_end, {"lorenz": 0.5, "roessler": 1.0, "van der pol": 3.0, "stiff-ish": 0.03, "ring": 6.0}.get(problem, t_end)
    )
    times = np.linspace(0.0, t_end, 101)
    there = reference(system, t_end, times)
    back = ax.simulate(
        system, 0.0, t_start=t_end, initial=there[-1], sample=times[::-1], method="dop853", rtol=1e-12, atol=1e-12
    )
    assert (back.status.item(), back.t_stop.item()) == (0, 0.0)
    np.testing.assert_allclose(flat(system, back)[::-1], there, rtol=0, atol=10 * accuracy)


@pytest.mark.parametrize("problem", ["lorenz", "forced", "kepler"])
@pytest.mark.parametrize("method", ["euler", "heun", "bs3", "tsit5", "dopri5"])
def test_diffrax_takes_the_same_steps(problem, method):
    """Equal steps of the same method, one after the other, to rounding."""
    import diffrax
    import jax

    solver = {"euler": "Euler", "heun": "Heun", "bs3": "Bosh3", "tsit5": "Tsit5", "dopri5": "Dopri5"}[method]
    system = PROBLEMS[problem][0]
    with jax.enable_x64(True):
        term, y0, args = system.as_diffrax()
        solution = diffrax.diffeqsolve(term, getattr(diffrax, solver)(), 0.0, 1.0, 0.01, y0, args)
        peer = np.asarray(solution.ys[-1])
    data = ax.simulate(system, 1.0, method=method, dt=0.01, sample="end")
    np.testing.assert_allclose(flat(system, data)[0], peer, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("method", ["tsit5", "dop853"])
def test_energy_and_momentum_of_kepler(method):
    data = ax.simulate(kepler, 20 * np.pi, method=method, rtol=1e-12, atol=1e-12)
    q, v = data.q.values, data.v.values
    energy = (v**2).sum(1) / 2 - 1 / np.hypot(*q.T)
    momentum = q[:, 0] * v[:, 1] - q[:, 1] * v[:, 0]
    assert np.abs(energy - energy[0]).max() < 2e-9
    assert np.abs(momentum - momentum[0]).max() < 2e-9
    np.testing.assert_allclose(flat(kepler, data)[0], [0.4, 0, 0, 2.0])


def test_there_and_back_again():
    for method in (m for m, tableau in TABLEAUX.items() if tableau.adaptive):
        there = ax.simulate(VAN_DER_POL, 2.0, method=method, rtol=1e-11, atol=1e-12, sample="end")
        end = flat(VAN_DER_POL, there)[0]
        back = ax.simulate(
            VAN_DER_POL, 0.0, t_start=2.0, initial=end, method=method, rtol=1e-11, atol=1e-12, sample="end"
        )
        np.testing.assert_allclose(flat(VAN_DER_POL, back)[0], VAN_DER_POL.initial_vector, atol=1e-7)
