"""Simulators of networks that take part where they are installed."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np


def brian2(links: Any, start: np.ndarray, numbers: dict[str, float], step: float, steps: int) -> Callable[[], Any]:
    """Euler steps of an STSP network by brian2's C++ standalone program (compiled here); returns the states x.

    Times are milliseconds.
    """
    try:
        import brian2 as b2
    except AttributeError as problem:
        raise ModuleNotFoundError("brian2 2.9 needs NumPy before 2.4", name="brian2 (with NumPy < 2.4)") from problem
    from brian2.devices import device

    folder = tempfile.mkdtemp(prefix="attrax-brian2-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    b2.set_device("cpp_standalone", directory=folder, build_on_run=False)
    device.reinit()
    device.activate(directory=folder, build_on_run=False)
    ms = b2.ms
    b2.defaultclock.dt = step * ms
    neurons = b2.NeuronGroup(
        len(start) // 3,
        """
        dx/dt = (given - x) / tau_x : 1
        du/dt = (1 + (U_max - 1) * y - u) / T_u : 1
        dphi/dt = (1 - u * y / U_max - phi) / T_phi : 1
        y = 1 / (1 + exp(-a * (x - b))) : 1
        released = u * phi * y : 1
        given : 1
        """,
        method="euler",
    )
    neurons.x, neurons.u, neurons.phi = start.reshape(3, -1)
    synapses = b2.Synapses(neurons, neurons, "w : 1\ngiven_post = w * released_pre : 1 (summed)")
    synapses.connect(i=links.arrays["pre"], j=links.arrays["post"])
    synapses.w = links.weights
    network = b2.Network(neurons, synapses)
    network.run(steps * step * ms, namespace={k: v * (ms if k[0].lower() == "t" else 1) for k, v in numbers.items()})
    device.build(directory=folder, compile=True, run=False)

    def go() -> np.ndarray:
        device.run(folder, with_output=False, run_args=[])
        return np.array(neurons.x[:])

    return go
