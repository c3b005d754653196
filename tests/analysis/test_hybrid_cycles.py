"""Limit cycles through resets: closed forms of spikes and impacts, and simulation."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import root

import attrax as ax
from attrax.analysis import CycleBranch, continue_cycles, find_cycle, floquet, lyapunov_spectrum
from attrax.engine.errors import InputError


@ax.flow(
    state={"v": (), "a": ()},
    parameters={"drive": 2.0, "decay": 0.5, "jump": 0.3, "strength": 0.0},
    initial={"v": 0.0, "a": 0.1},
    events={
        "spike": ax.event(
            lambda t, s, p: s.v - 1.0, direction="up", reset=lambda t, s, p: {"v": 0.0, "a": s.a + p.jump}
        )
    },
)
def neuron(t, s, p):
    """Leaky integrate-and-fire, with adaptation that decays."""
    return {"v": p.drive - s.v - p.strength * s.a, "a": -p.decay * s.a}


@ax.flow(
    state={"h": (), "v": ()},
    parameters={"g": 1.0, "r": 0.8, "w": 1.0},
    initial={"h": 0.05, "v": 3.0},
    events={
        "bounce": ax.event(
            lambda t, s, p: s.h, direction="down", reset=lambda t, s, p: {"v": -p.r * s.v + (1 + p.r) * p.w}
        )
    },
)
def ball(t, s, p):
    """Bounces on a plate that always moves up when it is hit."""
    return {"h": s.v, "v": -p.g + 0.0 * s.h}


@ax.flow(
    state={"h": (), "v": ()},
    parameters={"g": 1.0, "r": 0.8, "A": 0.024, "w": 2 * np.pi},
    initial={"h": 0.126, "v": -0.29},
    events={
        "bounce": ax.event(
            lambda t, s, p: s.h - p.A * jnp.sin(p.w * t),
            direction="down",
            reset=lambda t, s, p: {"v": -p.r * s.v + (1 + p.r) * p.A * p.w * jnp.cos(p.w * t)},
        )
    },
)
def shaken(t, s, p):
    """Ball on a shaken table (Luck & Mehta, Phys. Rev. E 48, 3988, 1993)."""
    return {"h": s.v, "v": -p.g + 0.0 * s.h}


@ax.flow(
    state={"x": (), "phi": (), "omega": ()},
    parameters={"k": 3.0, "radius": 0.1, "friction": 0.5, "wall": 1.0, "r": 0.9},
    initial={"omega": 6.0},
    events={
        "right": ax.event(
            lambda t, s, p: s.x - p.wall, direction="up", reset=lambda t, s, p: {"omega": -p.r * s.omega}
        ),
        "left": ax.event(
            lambda t, s, p: s.x + p.wall, direction="down", reset=lambda t, s, p: {"omega": -p.r * s.omega}
        ),
    },
)
def wheel(t, s, p):
    """A wheel between two walls; its motor pulls the way it turns."""
    return {"x": p.radius * s.omega, "phi": s.omega, "omega": p.k * jnp.tanh(3 * s.omega) - p.friction * s.omega}


def test_a_neuron_that_spikes_by_a_reset():
    cycle = find_cycle(neuron)
    period = np.log(2.0)  # from 0 to 1 with v' = 2 - v
    assert cycle.period == pytest.approx(period, rel=1e-11)
    assert cycle.multipliers.real == pytest.approx([1.0, np.exp(-0.5 * period)], rel=1e-8)
    assert find_cycle(neuron, cycle).period == pytest.approx(period, rel=1e-11)
    assert int(cycle.data.spike_count) == 1
    spectrum = floquet(neuron, cycle)
    assert float(spectrum.trivial_error) < 1e-8
    assert abs(float(spectrum.divergence_error)) < 1e-8


def test_branches_of_spiking_have_their_closed_form():
    branch = continue_cycles(neuron, "drive", (1.2, 4.0))
    drive = branch.data.drive.values
    assert drive.min() == 1.2
    assert drive.max() == 4.0
    assert branch.data.period.values == pytest.approx(np.log(drive / (drive - 1)), rel=1e-10)
    assert branch.data.eigenvalues.values[:, 1].real == pytest.approx(np.sqrt((drive - 1) / drive), rel=1e-8)
    assert not branch.special("LPC")


def test_parameters_of_resets_are_followed():
    """With v' = drive - v - strength a: the adaptation before a spike and the period, from two equations."""
    branch = continue_cycles(neuron.with_parameters(strength=0.5), "jump", (0.1, 0.5), values=[0.4])
    (point,) = branch.special("UZ")
    T, a = point.period, 0.4 / (1 - np.exp(-0.5 * point.period))  # after the spike
    v = 2.0 * (1 - np.exp(-T)) - 0.5 * a * (np.exp(-0.5 * T) - np.exp(-T)) / 0.5
    assert v == pytest.approx(1.0, abs=1e-10)


def test_a_ball_on_a_moving_plate():
    """Up with v, down with -v = r v + (1 + r) w."""
    speed = 1.8 / 0.2
    cycle = find_cycle(ball)
    assert cycle.period == pytest.approx(2 * speed, rel=1e-9)
    assert np.sort(cycle.multipliers.real) == pytest.approx([0.8, 1.0], rel=1e-7)


def test_a_ball_on_a_shaken_table_bounces_once_a_period_until_its_period_doubles():
    """A w^2 sin(phi) = 2 g (1 + r^2) / (1 + r)^2 there, and A w cos(phi) = pi g (1 - r) / (1 + r) / w always."""
    branch = continue_cycles(shaken, "A", (0.018, 0.05), period="2*pi/w")
    (point,) = branch.special("PD")
    w, r = 2 * np.pi, 0.8
    exact = np.hypot(2 * (1 + r**2) / (1 + r) ** 2, np.pi * (1 - r) / (1 + r)) / w**2
    assert point.parameters["A"] == pytest.approx(exact, rel=1e-9)
    assert np.sort(point.eigenvalues.real) == pytest.approx([-1.0, -(r**2)], rel=1e-8)
    products = np.prod(branch.data.eigenvalues.values, axis=1)
    assert products == pytest.approx(np.full(len(branch), r**2 + 0j), rel=1e-8)
    # trace of the linearised map from bounce to bounce
    A = branch.data.A.values
    bounce = np.arccos(np.pi * (1 - r) / (1 + r) / (A * w * w))
    trace = 1 - r + r * (1 + r) - (1 + r) ** 2 * A * w**2 * np.sin(bounce)
    assert branch.data.eigenvalues.values.sum(axis=1).real == pytest.approx(trace, abs=1e-8)


def test_the_fold_of_the_shaken_ball_is_followed_through():
    """Bounces are born in pairs where A w = pi g (1 - r) / (1 + r) / w."""
    branch = continue_cycles(shaken, "A", (0.005, 0.03), period="2*pi/w", max_step=0.1)
    (fold,) = branch.special("LPC")
    assert fold.parameters["A"] == pytest.approx(np.pi * 0.2 / 1.8 / (2 * np.pi) ** 2, rel=1e-8)


def test_a_branch_ends_where_its_cycle_begins_to_graze():
    """The ball reaches the height (9 w)^2 / 2 and a ceiling at 50."""
    ceiling = ax.event(lambda t, s, p: s.h - 50.0, direction="up", reset=lambda t, s, p: {"v": -p.r * s.v})

    @ax.flow(
        state={"h": (), "v": ()},
        parameters={"g": 1.0, "r": 0.8, "w": 1.0},
        initial={"h": 0.05, "v": 3.0},
        events={**ball.events, "ceiling": ceiling},
    )
    def inside(t, s, p):
        return {"h": s.v, "v": -p.g + 0.0 * s.h}

    branch = continue_cycles(inside, "w", (0.8, 2.0), max_step=0.1)
    assert branch.data.w.values[-1] == pytest.approx(10 / 9, rel=1e-4)
    assert "graze" in branch.endings[1]


def test_a_wheel_between_two_walls():
    turned = [lambda s: {"phi": 1.0}]  # any spoke may be up
    cycle = find_cycle(wheel, symmetry=turned)
    assert cycle.velocities[0] == pytest.approx(0.0, abs=1e-9)
    assert int(cycle.data.left_count) == int(cycle.data.right_count) == 1
    start = dict(zip(wheel.state, cycle.profile[0], strict=True))
    run = ax.simulate(wheel, 3 * cycle.period, initial=start, sample=cycle.period, rtol=1e-12, atol=1e-13)
    assert run.x.values == pytest.approx(np.full(4, start["x"]), abs=1e-8)
    branch = continue_cycles(wheel, "r", (0.3, 1.0), start=cycle, symmetry=turned)
    assert branch.data.unstable.values.max() == 0
    again = find_cycle(wheel.with_parameters(r=0.3), branch.cycle(0), symmetry=turned)
    assert again.period == pytest.approx(float(branch.data.period[0]), rel=1e-10)


# the catalogued wheel between two walls that it reaches at phi = 8 and -8, and that take a fifth of its speed
robot = ax.systems.robots.single_wheel.with_initial(phi=0.0, omega=60.0).with_events(
    right=ax.event(lambda t, s, p: s.phi - 8.0, direction="up", reset=lambda t, s, p: {"omega": -0.8 * s.omega}),
    left=ax.event(lambda t, s, p: s.phi + 8.0, direction="down", reset=lambda t, s, p: {"omega": -0.8 * s.omega}),
)


def across(omega, x, kappa):
    """By SciPy: from the wall on the left to that on the right; speed and neuron after it, mirrored, and the time."""

    def rates(t, y):
        phi, omega, x = y
        pull = kappa * np.sin(phi) * (np.tanh(x) - np.cos(phi))
        return [omega, pull - 0.05 / 0.65 * omega, 20.0 * (np.cos(phi) - x)]

    def wall(t, y):
        return y[0] - 8.0

    wall.terminal = True
    options = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-13}
    run = solve_ivp(rates, (0, 1e3), [-8.0, omega, x], events=wall, **options)
    return np.array([0.8 * run.y[1, -1], run.y[2, -1], run.t[-1]])


def test_a_robot_between_walls_by_another_solver():
    cycle = find_cycle(robot)
    kappa = 2 / 0.026
    omega, x = root(lambda z: across(*z, kappa)[:2] - z, [30.0, 0.5], tol=1e-12).x
    assert cycle.period == pytest.approx(2 * across(omega, x, kappa)[2], rel=1e-9)
    assert int(cycle.data.left_count) == int(cycle.data.right_count) == 1
    h = 1e-4
    moved = [across(omega + d, x + e, kappa)[:2] for d, e in ((h, 0), (-h, 0), (0, h), (0, -h))]
    slope = np.array([moved[0] - moved[1], moved[2] - moved[3]]).T / (2 * h)
    assert cycle.multipliers[1].real == pytest.approx(abs(np.linalg.eigvals(slope)).max() ** 2, rel=1e-6)


def test_a_robot_too_weak_for_its_walls_stops_in_a_fold():
    branch = continue_cycles(robot, "kappa", (2.0, 80.0), max_points=120)
    (fold,) = branch.special("LPC")
    assert set(branch.data.unstable.values.tolist()) == {0, 1}
    assert abs(fold.eigenvalues - 1).max() > 0.5  # the neuron
    assert (abs(fold.eigenvalues - 1) < 1e-5).sum() == 2
    assert branch.endings[1] == "kappa reaches its upper bound"
    # by the other solver: kappa for given speeds after a wall, and its least value
    profile = fold.cycle.profile
    speed = 0.8 * abs(profile[np.argmin(profile[:, 0]), 1])
    guess, speeds, values = [0.5, fold.parameters["kappa"]], speed * np.array([0.999, 1.0, 1.001]), []
    for omega in speeds:
        guess = root(lambda z, omega=omega: across(omega, *z)[:2] - [omega, z[0]], guess, tol=1e-10).x
        values.append(guess[1])
    a, b, c = np.polyfit(speeds - speed, values, 2)
    assert fold.parameters["kappa"] == pytest.approx(c - b**2 / (4 * a), rel=1e-8)


def test_the_section_of_a_branch_stays_across_its_cycles():
    """The wheel turns many times between the walls: what it senses goes back and forth, its angle does not."""
    branch = continue_cycles(robot, "Gamma", (5.0, 60.0))
    assert branch.endings == ("Gamma reaches its lower bound", "Gamma reaches its upper bound")
    assert not branch.special("LPC")


def bounced(t, s, p):
    """Half of the car's speed is lost, and its direction turned; its wheels keep the difference of theirs."""
    return {"omega": s.omega - 1.8 * jnp.mean(s.omega)}


car = (
    ax.systems.robots.car.with_parameters(K_wall=0.0, D_wall=0.0)
    .with_initial(r=[0.0, 0.0], theta=0.0, omega=50.0)
    .with_events(
        right=ax.event(lambda t, s, p: s.r[0] - 0.5, direction="up", reset=bounced),
        left=ax.event(lambda t, s, p: s.r[0] + 0.5, direction="down", reset=bounced),
    )
)


def test_a_car_that_could_be_pushed_is_not_driven_as_long_as_it_is_not():
    assert not car.autonomous
    cycle = find_cycle(car)
    assert 1.38 < cycle.period < 1.39
    run = ax.simulate(car, 6.0, initial=cycle.profile[:1], sample=1.0, rtol=1e-11, atol=1e-13)
    assert np.diff(run.left_time.values[0]) == pytest.approx(np.full(3, cycle.period), rel=1e-9)
    with pytest.raises(InputError, match="more than one multiplier"):
        ax.analysis.phase_response(car, cycle)  # it may go anywhere along the walls
    with pytest.raises(InputError, match="depends on time: give the period"):
        find_cycle(car.with_parameters(push=np.array([0.1, 0.1]), push_length=1.0))


def test_a_force_that_is_switched_off_is_followed_with_its_period():
    pushed = ax.flow(
        state={"h": (), "v": ()},
        parameters={"g": 1.0, "r": 0.8, "w": 1.0, "force": 0.0},
        initial={"h": 0.05, "v": 3.0},
        events=ball.events,
    )(lambda t, s, p: {"h": s.v, "v": -p.g + p.force * jnp.cos(t) + 0.0 * s.h})
    assert find_cycle(pushed).period == pytest.approx(18.0, rel=1e-9)
    with pytest.raises(InputError, match="depends on time: give the period"):
        continue_cycles(pushed, "force", (0.0, 0.1))
    branch = continue_cycles(pushed, "w", (0.9, 1.1), max_step=0.5)
    assert branch.data.period.values == pytest.approx(18.0 * branch.data.w.values, rel=1e-9)


def test_cycles_of_many_states():
    """Determinants of resets are left out."""
    many = ax.flow(
        state={"h": (), "v": (), "z": (5,)},
        parameters={"g": 1.0, "r": 0.8, "w": 1.0},
        initial={"h": 0.05, "v": 3.0},
        events=ball.events,
    )(lambda t, s, p: {"h": s.v, "v": -p.g + 0.0 * s.h, "z": -jnp.arange(1.0, 6.0) * s.z / 50})
    cycle = find_cycle(many)
    assert cycle.period == pytest.approx(18.0, rel=1e-9)
    exact = np.append(np.exp(-np.arange(1, 6) * 18 / 50), [1.0, 0.8])
    assert np.sort(cycle.multipliers.real) == pytest.approx(np.sort(exact), rel=1e-7)
    assert np.isnan(floquet(many, cycle).divergence_error)
    start = many.unpack(cycle.profile[0])
    spectrum = lyapunov_spectrum(many, 7, t_total=200 * cycle.period, transient=200 * cycle.period, initial=start)
    assert spectrum.exponents.values == pytest.approx(np.sort(np.log(exact) / 18)[::-1], abs=1e-3)
    assert np.isnan(spectrum.mean_divergence)


@ax.flow(
    state={"v": (), "z": ()},
    parameters={"drive": 2.0, "k": 1.5},
    initial={"v": 0.2, "z": 0.0},
    events={
        "spike": ax.event(
            lambda t, s, p: s.v - 1.0,
            direction="up",
            reset=lambda t, s, p: {"v": 0.0, "z": p.k * s.z / jnp.sqrt(1 + s.z**2)},
        )
    },
)
def fork(t, s, p):
    return {"v": p.drive - s.v, "z": -s.z}


def test_branch_points_are_located_and_switched_at():
    """From spike to spike z -> z k / (2 sqrt(1 + z^2)), so that z^2 = (k / 2)^2 - 1 before a spike."""
    branch = continue_cycles(fork, "k", (1.0, 4.0))
    (point,) = branch.special("BPC")
    assert point.refined
    assert point.unstable == (0, 1)
    assert point.parameters["k"] == pytest.approx(2.0, rel=1e-9)
    assert not branch.special("LPC")
    other = continue_cycles(fork, "k", (1.0, 4.0), start=point, max_step=0.1)
    z = np.maximum(other.data.z.values, -other.data.z_min.values)  # after the spike, twice as large
    assert z == pytest.approx(np.sqrt(np.maximum(other.data.k.values**2 - 4, 0)), abs=1e-9)
    assert other.data.k.values[[0, -1]] == pytest.approx([4.0, 4.0])
    assert other.data.z.values[0] * other.data.z_min.values[-1] < 0
    assert not other.data.unstable.values.any()


@ax.flow(
    state={"x": (), "y": (), "v": ()},
    parameters={"speed": 0.3, "g": 1.0, "w": 0.2, "r": 0.5},
    initial={"y": 0.1, "v": 0.3},
    events={
        "hop": ax.event(
            lambda t, s, p: s.y,
            direction="down",
            reset=lambda t, s, p: {"v": -p.r * s.v + (1 + p.r) * p.w, "x": s.x + 0.1 * s.v**2},
        )
    },
)
def hopper(t, s, p):
    return {"x": p.speed + 0.5 * s.y, "y": s.v, "v": -p.g + 0.0 * s.y}


def test_a_hopping_robot_is_periodic_up_to_its_step():
    ahead = [lambda s: {"x": 1.0}]
    speed = 1.5 / 0.5 * 0.2  # up, and down again
    cycle = find_cycle(hopper, {"y": 0.05, "v": 0.5}, period=1.15, symmetry=ahead)
    assert cycle.period == pytest.approx(2 * speed, rel=1e-9)
    step = 0.3 * cycle.period + 0.5 * cycle.period**3 / 12 + 0.1 * speed**2
    assert cycle.velocities[0] * cycle.period == pytest.approx(step, rel=1e-9)
    branch = continue_cycles(hopper, "w", (0.15, 0.3), start=cycle, symmetry=ahead)
    T, up = branch.data.period.values, 3 * branch.data.w.values
    steps = branch.data.velocities.values[:, 0] * T
    assert steps == pytest.approx(0.3 * T + 0.5 * T**3 / 12 + 0.1 * up**2, rel=1e-8)


def test_a_doubled_cycle_is_switched_to():
    """Izhikevich's neuron: its period doubles as the reset moves up."""
    branch = continue_cycles(izhikevich, "c", (-60.0, -35.0), max_step=0.02)
    point = branch.special("PD")[0]
    assert (abs(point.eigenvalues + 1) < 1e-6).any()
    doubled = continue_cycles(izhikevich, "c", (-60.0, -35.0), start=point, max_points=30)
    assert doubled.data.period.values[0] == pytest.approx(2 * point.period, rel=1e-9)
    last = doubled.cycle(len(doubled) - 1)
    half = len(last.profile) // 2
    assert abs(last.profile[0] - last.profile[half]).max() > 1e-3
    system = izhikevich.with_parameters(c=last.parameters["c"])
    assert find_cycle(system, last).period == pytest.approx(last.period, rel=1e-9)


@ax.flow(
    state={"v": (), "u": ()},
    parameters={"a": 0.02, "b": 0.2, "c": -55.0, "d": 4.0, "I": 10.0},
    initial={"v": -60.0, "u": -10.0},
    events={
        "spike": ax.event(lambda t, s, p: s.v - 30.0, direction="up", reset=lambda t, s, p: {"v": p.c, "u": s.u + p.d})
    },
)
def izhikevich(t, s, p):
    return {"v": 0.04 * s.v**2 + 5 * s.v + 140 - s.u + p.I, "u": p.a * (p.b * s.v - s.u)}


def test_branches_are_stored(tmp_path):
    branch = continue_cycles(neuron, "drive", (1.5, 2.5), max_step=0.2)
    branch.save(tmp_path / "spikes.h5")
    again = CycleBranch(ax.load(tmp_path / "spikes.h5"))
    assert again.labels == branch.labels
    branch.plot()
    taken_up = find_cycle(neuron.with_parameters(drive=2.5), again["EP2"].cycle)
    assert taken_up.period == pytest.approx(np.log(2.5 / 1.5), rel=1e-11)


def test_mistakes_are_explained():
    with pytest.raises(InputError, match="depends on time: give the period"):
        find_cycle(shaken)
    kicked = ax.flow(
        state={"v": ()},
        parameters={},
        events={"kick": ax.event(at=[1.0], reset=lambda t, s, p: {"v": s.v + 1.0})},
    )(lambda t, s, p: {"v": -s.v})
    with pytest.raises(InputError, match="resets at given times"):
        find_cycle(kicked, {"v": 1.0}, period=1.0)
