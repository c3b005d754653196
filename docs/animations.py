"""Draw the animations of the robots page into docs/gallery: ``python docs/animations.py [sphere car ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.axes import Axes

import attrax as ax

GALLERY = Path(__file__).parent / "gallery"
PER_SECOND = 15
BLUE, ORANGE, RED = "#1f5a94", "#e08e2b", "#d1495b"


def sphere(panels: list[Axes]) -> tuple[int, Callable[[int], None]]:
    """From above: the circular and the meandering mode, each with its weights and its path."""
    frames, runs = 120, []
    for panel, mode in zip(panels, ("circle", "straight"), strict=True):
        data = ax.simulate(
            ax.systems.robots.sphere_in_mode(mode), 108.0, transient=100.0, sample=1 / 30, method="rk4", dt=1e-3
        )
        path = data.r.values[:, :2]
        panel.set_title(mode, fontsize=9)
        middle, half = (path.max(0) + path.min(0)) / 2, (path.max(0) - path.min(0)).max() / 2 + 0.35
        panel.set(xlim=middle[0] + np.array([-half, half]), ylim=middle[1] + np.array([-half, half]))
        shell = plt.Circle(path[0], 0.25, fill=False, color="0.4")
        panel.add_patch(shell)
        (trace,) = panel.plot([], [], color=BLUE, linewidth=0.8)
        weights = panel.scatter([0, 0, 0], [0, 0, 0], s=30, c=[BLUE, ORANGE, RED], zorder=3)
        runs.append((data, path, shell, trace, weights))

    def draw(k: int) -> None:
        for data, path, shell, trace, weights in runs:
            k2 = 2 * k
            shell.center = path[k2]
            trace.set_data(*path[: k2 + 1].T)
            weights.set_offsets(path[k2] + (_rotation(data.q.values[k2])[:2] * data.s.values[k2]).T)

    return frames, draw


def _rotation(q: np.ndarray) -> np.ndarray:
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def barrel(panels: list[Axes]) -> tuple[int, Callable[[int], None]]:
    """From the side: one and three moves of the weight in a turn."""
    from attrax.systems.robots import barrels

    frames, runs = 90, []
    for panel, start, name in zip(panels, (barrels.ONE_TO_ONE, barrels.THREE_TO_ONE), ("1:1", "3:1"), strict=True):
        data = ax.simulate(
            barrels.barrel.with_initial(**start), 206.0, transient=200.0, sample=1 / PER_SECOND, method="rk4", dt=2e-3
        )
        theta = data.theta.values - data.theta.values[0] // (2 * np.pi) * 2 * np.pi
        panel.set_title(name, fontsize=9)
        panel.axhline(0.0, color="0.6", linewidth=0.8)
        panel.set(ylim=(-0.4, 2.6))
        hull = plt.Circle((0, 1), 1.0, fill=False, color="0.4")
        panel.add_patch(hull)
        (rod,) = panel.plot([], [], color="0.7", linewidth=0.8)
        (weight,) = panel.plot([], [], "o", color=RED, markersize=9)
        runs.append((panel, theta, data.s.values, hull, rod, weight))

    def draw(k: int) -> None:
        for panel, theta, s, hull, rod, weight in runs:
            x, e = theta[k], np.array([np.cos(theta[k]), -np.sin(theta[k])])
            hull.center = (x, 1.0)
            rod.set_data(*np.transpose([[x, 1.0] - e, [x, 1.0] + e]))
            weight.set_data(*([x, 1.0] + s[k] * e)[:, None])
            panel.set_xlim(x - 1.5, x + 1.5)
            panel.set_xticks(np.arange(np.ceil(x - 1.5), x + 1.5), [])

    return frames, draw


def car(panels: list[Axes]) -> tuple[int, Callable[[int], None]]:
    """From above, five times slower: a kick on a wheel, and a wall. Wheels are red when they turn backwards."""
    from attrax.systems.robots import car, kick

    frames, runs = 105, []
    slow = car.with_parameters(k=0.5).with_initial(r=np.array([-0.9, 0.0]), omega=44.7, phi=0.0, x=0.0)
    kicked, walled = kick(slow, 0, -8.0, start=0.4, length=0.12), slow.with_parameters(wall=0.7)
    for panel, system, title in zip(panels, (kicked, walled), ("a kick on the left wheel", "a wall"), strict=True):
        data = ax.simulate(system, frames / 75, sample=1 / 75, method="rk4", dt=2e-4)
        panel.set_title(title, fontsize=9)
        panel.set(xlim=(-1.1, 0.9), ylim=(-1.0, 1.0))
        body = plt.Circle((0, 0), 0.08, fill=False, color=BLUE)
        panel.add_patch(body)
        (trace,) = panel.plot([], [], color="0.7", linewidth=0.8)
        (nose,) = panel.plot([], [], color=BLUE, linewidth=1.2)
        wheels = [panel.plot([], [], linewidth=3)[0] for _ in range(2)]
        if system is walled:
            panel.axvspan(0.7, 0.9, color="0.8")
        runs.append((data, body, trace, nose, wheels))

    def draw(k: int) -> None:
        for data, body, trace, nose, wheels in runs:
            place, theta = data.r.values[k], float(data.theta[k])
            ahead, left = np.array([np.cos(theta), np.sin(theta)]), np.array([-np.sin(theta), np.cos(theta)])
            body.center = place
            trace.set_data(*data.r.values[: k + 1].T)
            nose.set_data(*np.transpose([place, place + 0.08 * ahead]))
            for side, wheel, omega in zip((1, -1), wheels, data.omega.values[k], strict=True):
                middle = place + side * 0.085 * left
                wheel.set_data(*np.transpose([middle - 0.04 * ahead, middle + 0.04 * ahead]))
                wheel.set_color(RED if omega < 0 else BLUE)

    return frames, draw


def train(panels: list[Axes]) -> tuple[int, Callable[[int], None]]:
    """From above: five cars that wiggle, in the frame of the middle car."""
    frames, runs = 75, []
    for panel, k in zip(panels, (0.2, 2.0), strict=True):
        data = ax.simulate(
            ax.systems.robots.train.with_parameters(k=k), 95.0, transient=90.0, sample=1 / 30, method="rk4", dt=5e-4
        )
        theta, first = data.theta.values, data.r.values
        e = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
        where = first[:, None] - 0.088 * np.concatenate(
            [np.zeros((len(e), 1, 2)), np.cumsum(e[:, :-1] + e[:, 1:], axis=1)], axis=1
        )
        mean = np.arctan2(*(where[-1, 2] - where[0, 2])[::-1])
        turned = np.array([[np.cos(mean), np.sin(mean)], [-np.sin(mean), np.cos(mean)]])
        panel.set_title(f"k = {k:g} N", fontsize=9)
        panel.set(xlim=(-0.55, 0.55), ylim=(-0.3, 0.3))
        cars = [plt.Circle((0, 0), 0.08, fill=False, color=BLUE) for _ in range(5)]
        for each in cars:
            panel.add_patch(each)
        (axles,) = panel.plot([], [], color=ORANGE, linewidth=2.5)
        (joints,) = panel.plot([], [], color="0.5", linewidth=0.8)
        runs.append(((where - where[:, 2:3]) @ turned.T, e @ turned.T, cars, axles, joints))

    def draw(k: int) -> None:
        for where, e, cars, axles, joints in runs:
            here, ahead = where[2 * k % len(where)], e[2 * k % len(where)]
            across = np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1)
            for each, place in zip(cars, here, strict=True):
                each.center = place
            joints.set_data(*here.T)
            lines = [[p - 0.085 * n, p + 0.085 * n, [np.nan, np.nan]] for p, n in zip(here, across, strict=True)]
            axles.set_data(*np.concatenate(lines).T)

    return frames, draw


def arm(panels: list[Axes]) -> tuple[int, Callable[[int], None]]:
    """The arm and its objects (the current one is filled), and the dissipation function."""
    frames = 130
    data = ax.simulate(ax.systems.robots.arm, 100.0 + frames * 0.2, transient=100.0, sample=0.2, rtol=1e-8)
    p = ax.systems.robots.arm.parameters
    lengths = p["l"].value
    angles = np.cumsum(data.alpha.values, axis=1)
    joints = np.cumsum(np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=-1), axis=1)
    turns = p["Omega"].value * data.time.values[:, None] + p["psi"].value
    objects = p["centre"].value + 0.25 * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    left, right = panels
    left.set(xlim=(-2, 2), ylim=(-2, 2))
    (links,) = left.plot([], [], "-o", color=BLUE, markersize=4)
    dots = left.scatter(*objects[0].T, s=60, edgecolors=RED, facecolors="none")
    right.set(xlim=(0, frames * 0.2), ylim=(-1.1, 1.6), aspect="auto")
    right.axhline(0.0, color="0.7", linewidth=0.8)
    right.set_title("f: energy is taken up above 0", fontsize=9)
    (curve,) = right.plot([], [], color=BLUE)

    def draw(k: int) -> None:
        links.set_data(*np.concatenate([[[0.0, 0.0]], joints[k]]).T)
        links.set_color(RED if data.f.values[k] > 0 else BLUE)
        dots.set_offsets(objects[k])
        dots.set_facecolors([RED if j == data.target.values[k] else "white" for j in range(len(objects[k]))])
        curve.set_data(data.time.values[: k + 1] - 100.0, data.f.values[: k + 1])

    return frames, draw


def main() -> None:
    """Draw those that are named, or all."""
    makers = {each.__name__: each for each in (sphere, barrel, car, train, arm)}
    for name in sys.argv[1:] or makers:
        figure, panels = plt.subplots(1, 2, figsize=(6.0, 3.1), dpi=80, layout="constrained")
        for panel in panels:
            panel.set(aspect="equal", xticks=[], yticks=[])
        frames, draw = makers[name](list(panels))
        animation = FuncAnimation(figure, lambda k, draw=draw: draw(k), frames=frames)
        animation.save(GALLERY / f"{name}.gif", writer=PillowWriter(fps=PER_SECOND))
        plt.close(figure)


if __name__ == "__main__":
    main()
