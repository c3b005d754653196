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
    b2, device, folder = _standalone()
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


def spiking_brian2(links: Any, start: np.ndarray, numbers: dict[str, float], step: float, steps: int) -> Any:
    """The same for integrate-and-fire neurons with decaying inputs; returns the number of spikes."""
    b2, device, folder = _standalone()
    b2.defaultclock.dt = step * b2.ms
    equations = "dv/dt = (drive - v + g) / tau : 1\ndg/dt = -g / tau_g : 1"
    neurons = b2.NeuronGroup(len(start), equations, threshold="v > 1", reset="v = 0", method="euler")
    neurons.v = start
    synapses = b2.Synapses(neurons, neurons, "w : 1", on_pre="g_post += w")
    synapses.connect(i=links.arrays["pre"], j=links.arrays["post"])
    synapses.w = links.weights
    spikes = b2.SpikeMonitor(neurons)
    network = b2.Network(neurons, synapses, spikes)
    network.run(steps * step * b2.ms, namespace={k: v * (b2.ms if k[:3] == "tau" else 1) for k, v in numbers.items()})
    device.build(directory=folder, compile=True, run=False)

    def go() -> int:
        device.run(folder, with_output=False, run_args=[])
        return int(spikes.num_spikes)

    return go


def annarchy(
    couplings: dict[str, Any], start: np.ndarray, numbers: dict[str, float], step: float, steps: int
) -> Callable[[], Any]:
    """Euler steps of an STSP network by ANNarchy's compiled network, on one thread; returns the states x.

    ``couplings`` has for ``y`` and ``r`` (what is released), or one of them, the matrix that it is multiplied by.
    Within a step, a population advances its states together and then computes what the next step reads from them.
    """
    import ANNarchy as ann
    from scipy.sparse import lil_matrix

    folder = tempfile.mkdtemp(prefix="attrax-annarchy-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    network = ann.Network(dt=step)
    neuron = ann.Neuron(
        parameters="\n".join(f"{name} = {value!r} : population" for name, value in numbers.items()),
        equations=f"""
        tau_x * dx/dt = {" + ".join(f"sum({source})" for source in couplings)} - x : explicit
        T_u * du/dt = 1 + (U_max - 1) * y - u : explicit
        T_phi * dphi/dt = 1 - u * y / U_max - phi : explicit
        y = 1 / (1 + exp(-a * (x - b)))
        r = u * phi * y
        """,
    )
    population = network.create(len(start) // 3, neuron)
    for source, matrix in couplings.items():
        projection = network.connect(population, population, source, ann.Synapse(psp=f"w * pre.{source}"))
        if isinstance(matrix, np.ndarray):
            projection.from_matrix(matrix)
        else:
            projection.from_sparse(lil_matrix(matrix.T))
    network.compile(directory=folder, silent=True)

    def go() -> np.ndarray:
        x, u, phi = start.reshape(3, -1)
        y = 1 / (1 + np.exp(-numbers["a"] * (x - numbers["b"])))
        population.set({"x": x, "u": u, "phi": phi, "y": y, "r": u * phi * y})
        network.simulate(steps * step)
        return np.array(population.x)

    return go


def _standalone() -> tuple[Any, Any, str]:
    """brian2, its device that writes a C++ program, and the folder for it, removed at the end."""
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
    return b2, device, folder
