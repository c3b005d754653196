"""An independent witness for the rigid bodies: the physics engine MuJoCo, if it is installed."""

from __future__ import annotations

import numpy as np
import pytest

import attrax as ax
from attrax.systems.robots import assemble, spheres

mujoco = pytest.importorskip("mujoco")
pytestmark = pytest.mark.slow

SPHERE = """
<mujoco>
  <option timestep="{dt}" integrator="RK4" gravity="0 0 -9.81" cone="elliptic"/>
  <worldbody>
    <geom type="plane" size="50 50 1" {plane} friction="5 0 0" condim="3" solref="0.002 1" solimp="0.99 0.999 0.0001"/>
    <body name="shell" pos="0 0 {height}">
      <freejoint/>
      <inertial pos="0 0 0" mass="1" diaginertia="0.025 0.025 0.025"/>
      <geom type="sphere" size="0.25" friction="5 0 0" condim="3" solref="0.002 1" solimp="0.99 0.999 0.0001"/>
      {weights}
    </body>
  </worldbody>
</mujoco>
"""
WEIGHT = """
<body><joint type="slide" axis="{axis}" stiffness="120"/>
<inertial pos="0 0 0" mass="1" diaginertia="{i} {i} {i}"/></body>
"""
Q = np.array([0.8, 0.2, -0.4, 0.4]) / np.linalg.norm([0.8, 0.2, -0.4, 0.4])
OMEGA, S, S_DOT = np.array([1.0, -2.0, 0.5]), np.array([0.1, -0.05, 0.15]), np.array([0.2, 0.3, -0.4])


@ax.flow(**assemble(spheres.ROLLING_BODY), name="on_springs_rolling")
def on_springs_rolling(t, s, p):
    return spheres.rolling(s, p, -120.0 * s.s)


@ax.flow(**assemble(spheres.BODY), name="on_springs")
def on_springs(t, s, p):
    return spheres.on_soft_ground(s, p, -120.0 * s.s)


def by_mujoco(t_end: float, dt: float, height: float, v: np.ndarray, *, plane: bool) -> dict[str, np.ndarray]:
    """The passive sphere with weights on springs, every 0.05 s."""
    inertia = 0.4 * (0.5 / 14) ** 2
    weights = "".join(WEIGHT.format(axis=axis, i=inertia) for axis in ("1 0 0", "0 1 0", "0 0 1"))
    off = "" if plane else 'contype="0" conaffinity="0"'
    model = mujoco.MjModel.from_xml_string(SPHERE.format(dt=dt, height=height, weights=weights, plane=off))
    data = mujoco.MjData(model)
    data.qpos[3:7], data.qpos[7:10] = Q, S
    turned = np.zeros(9)
    mujoco.mju_quat2Mat(turned, Q)
    data.qvel[:3], data.qvel[3:6], data.qvel[6:9] = v, turned.reshape(3, 3).T @ OMEGA, S_DOT
    every, found = round(0.05 / dt), []
    for step in range(round(t_end / dt) + 1):
        if step % every == 0:
            found.append(np.concatenate([data.qpos[:3], data.qpos[3:7], data.qpos[7:10]]))
        mujoco.mj_step(model, data)
    found = np.array(found)
    return {"r": found[:, :3], "q": found[:, 3:7], "s": found[:, 7:]}


def test_a_sphere_in_flight():
    v = np.array([0.3, -0.2, 1.0])
    witness = by_mujoco(1.0, 1e-4, 20.0, v, plane=False)
    start = {"q": Q, "omega": OMEGA, "s": S, "s_dot": S_DOT, "v": v, "r": np.array([0.0, 0.0, 20.0])}
    data = ax.simulate(
        on_springs.with_parameters(psi=0.0).with_initial(**start), 1.0, sample=0.05, method="rk4", dt=1e-4
    )
    for name in ("r", "s", "q"):
        np.testing.assert_allclose(data[name], witness[name], atol=1e-6, err_msg=name)


def test_a_sphere_that_rolls_on_a_plane():
    """MuJoCo's contact is a little soft and slips a little: ideal rolling within a part in a hundred of the way."""
    v = 0.25 * np.array([OMEGA[1], -OMEGA[0], 0.0])
    witness = by_mujoco(1.0, 1e-4, 0.25, v, plane=True)
    start = {"q": Q, "omega": OMEGA, "s": S, "s_dot": S_DOT}
    data = ax.simulate(
        on_springs_rolling.with_parameters(psi=0.0).with_initial(**start), 1.0, sample=0.05, method="rk4", dt=1e-3
    )
    way = np.abs(np.diff(data.r.values, axis=0)).sum()
    assert np.abs(data.r.values - witness["r"][:, :2]).max() < 0.01 * way
    np.testing.assert_allclose(data.s, witness["s"], atol=5e-3)
    assert np.abs(witness["r"][:, 2] - 0.25).max() < 1e-3
