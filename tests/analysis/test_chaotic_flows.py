"""Lyapunov spectra of chaotic flows of the literature.

Equations and parameters as in the dysts collection (W. Gilpin, arXiv:2110.05266, version 0.96; Apache-2.0). Its own
exponents are not used: the spectra and their standard errors are an independent computation with Dormand-Prince 5(4),
rtol 1e-9, up to 4000 periods, 20 batches.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

import attrax as ax
from attrax.analysis import lyapunov_spectrum


def flow_of(name, equations, initial, **parameters):
    """A flow with one state block from ``equations(y, p)``."""

    def function(t, s, p):
        return {"y": jnp.stack([jnp.asarray(v) for v in equations(s.y, p)])}

    return ax.flow(state={"y": (len(initial),)}, parameters=parameters, initial={"y": initial}, name=name)(function)


def _cell_cycle(y, p):
    def half(c, m, x, other):
        dm = p.Vm1 * c / (p.Kc + c) * (1 - m) / (p.K + 1 - m) - p.V2 * m / (p.K + m)
        dx = p.Vm3 * m * (1 - x) / (p.K + 1 - x) - p.V4 * x / (p.K + x)
        return [p.vi * p.Kim / (p.Kim + other) - p.vd * x * c / (p.Kd1 + c) - p.kd1 * c, dm, dx]

    return half(y[0], y[1], y[2], y[4]) + half(y[3], y[4], y[5], y[1])


FLOWS = {
    "Blasius": (
        lambda y, p: [
            p.a * y[0] - p.alpha1 * y[0] * y[1] / (1 + p.k1 * y[0]),
            -p.b * y[1] + p.alpha1 * y[0] * y[1] / (1 + p.k1 * y[0]) - p.alpha2 * y[1] * y[2] / (1 + p.k2 * y[1]),
            -p.c * (y[2] - p.zs) + p.alpha2 * y[1] * y[2] / (1 + p.k2 * y[1]),
        ],
        {"a": 1.0, "alpha1": 0.2, "alpha2": 1.0, "b": 1.0, "c": 10.0, "k1": 0.05, "k2": 0.0, "zs": 0.006},
        ([4.031713, 5.1113788, 0.016508812], 6.6038),
        ([0.0588656, 4.41e-05, -2.8620465], [0.0014, 0.00041, 0.0016], 2.0205831),
    ),
    "CellCycle": (
        _cell_cycle,
        {
            "K": 0.01,
            "Kc": 0.5,
            "Kd1": 0.02,
            "Kim": 0.65,
            "V2": 0.15,
            "V4": 0.05,
            "Vm1": 0.3,
            "Vm3": 0.1,
            "kd1": 0.001,
            "vd": 0.025,
            "vi": 0.05,
        },
        ([0.71565329, 0.9489355, 0.98910371, 0.72138631, 0.94987035, 0.98912572], 204.71),
        (
            [0.0044382, -3.9e-06, -0.1747131, -0.3634475, -1.1496696, -1.9290787],
            [4.5e-05, 2.3e-05, 0.00063, 0.0017, 0.0019, 0.0037],
            2.0253805,
        ),
    ),
    "Dadras": (
        lambda y, p: [
            y[1] - p.p * y[0] + p.o * y[1] * y[2],
            p.r * y[1] - y[0] * y[2] + y[2],
            p.c * y[0] * y[1] - p.e * y[2],
        ],
        {"c": 2.0, "e": 9.0, "o": 2.7, "p": 3.0, "r": 1.7},
        ([1.0284085, -3.5348655, -0.72081646], 3.2886),
        ([0.3707923, 0.0002607, -10.671048], [0.0058, 0.00082, 0.0058], 2.0347719),
    ),
    "ForcedBrusselator": (
        lambda y, p: [
            p.a + y[0] ** 2 * y[1] - (p.b + 1) * y[0] + p.f * jnp.cos(y[2]),
            p.b * y[0] - y[0] ** 2 * y[1],
            p.w + 0 * y[2],
        ],
        {"a": 0.4, "b": 1.2, "f": 0.05, "w": 0.81},
        ([0.40635464, 1.8192295, 6381.6484], 20.411),
        ([0.0150238, 1e-07, -0.247393], [0.00025, 1.6e-06, 0.00026], 2.0607289),
    ),
    "HindmarshRose": (
        lambda y, p: [
            -y[0] + (y[1] - p.a * y[0] ** 3 + p.b * y[0] ** 2 + y[2]) / p.tx,
            -p.a * y[0] ** 3 - (p.d - p.b) * y[0] ** 2 + y[2],
            (-p.s * y[0] - y[2] + p.c) / p.tz,
        ],
        {"a": 0.49, "b": 1.0, "c": 0.0322, "d": 1.0, "s": 1.0, "tx": 0.03, "tz": 0.8},
        ([0.031111835, -0.021557059, 0.041475046], 1.752),
        ([0.2128159, 0.0001478, -6.4151772], [0.0052, 0.0019, 0.043], 2.0331969),
    ),
    "HyperCai": (
        lambda y, p: [
            p.a * (y[1] - y[0]),
            p.b * y[0] + p.c * y[1] - y[0] * y[2] + y[3],
            -p.d * y[2] + y[1] ** 2,
            -p.e * y[0],
        ],
        {"a": 27.5, "b": 3.0, "c": 19.3, "d": 2.9, "e": 3.3},
        ([-10.6912736, -15.5411594, 18.3882729, -14.9044939], 0.611394),
        ([1.6805031, 0.0961064, 0.001023, -12.8776324], [0.017, 0.013, 0.0038, 0.02], 3.1380403),
    ),
    "HyperWang": (
        lambda y, p: [
            p.a * (y[1] - y[0]),
            -y[0] * y[2] + p.b * y[0] + y[3],
            -p.c * y[2] + p.e * y[0] ** 2,
            -p.d * y[0],
        ],
        {"a": 10.0, "b": 40.0, "c": 2.5, "d": 10.6, "e": 4.0},
        ([0.16824907, 0.16854103, 37.0403378, -15.2902738], 0.648152),
        ([1.140084, 0.0738083, -0.0053074, -13.7085845], [0.017, 0.013, 0.014, 0.025], 3.0881626),
    ),
    "HyperYangChen": (
        lambda y, p: [
            p.a * (y[1] - y[0]),
            p.c * y[0] - y[0] * y[2] + y[3],
            -p.b * y[2] + y[0] * y[1],
            -p.d * y[0],
        ],
        {"a": 30.0, "b": 3.0, "c": 35.0, "d": 8.0},
        ([3.53446423, 4.82852516, 25.0491759, 17.1185203], 0.912703),
        ([0.3763667, 0.2477443, -0.0001086, -33.6239938], [0.0065, 0.0049, 0.0018, 0.0048], 3.0185582),
    ),
    "Laser": (
        lambda y, p: [
            p.a * (y[1] - y[0]) + p.b * y[1] * y[2] ** 2,
            p.c * y[0] + p.d * y[0] * y[2] ** 2,
            p.h * y[2] + p.k * y[0] ** 2,
        ],
        {"a": 10.0, "b": 1.0, "c": 5.0, "d": -1.0, "h": -5.0, "k": -6.0},
        ([-2.54080136, -1.94057058, -2.96809754], 0.94667),
        ([0.5771094, 0.0005141, -15.5776214], [0.0042, 0.0026, 0.0041], 2.0370803),
    ),
    "MooreSpiegel": (
        lambda y, p: [y[1], p.a * y[2], -y[2] + p.eps * y[1] - y[1] * y[0] ** 2 - p.b * y[0]],
        {"a": 10.0, "b": 4.0, "eps": 9.0},
        ([-3.4733266, 19.666962, -3.8262485], 1.2887),
        ([0.155433, 0.0001857, -1.1556187], [0.0036, 0.002, 0.0032], 2.1346627),
    ),
    "QiChen": (
        lambda y, p: [
            p.a * (y[1] - y[0]) + y[1] * y[2],
            p.c * y[0] + y[1] - y[0] * y[2],
            y[0] * y[1] - p.b * y[2],
        ],
        {"a": 38.0, "b": 2.666, "c": 80.0},
        ([17.420882, 5.5459627, 78.89139], 0.39179),
        ([4.022205, -0.0006912, -43.6875119], [0.027, 0.0027, 0.027], 2.0920518),
    ),
    "ShimizuMorioka": (
        lambda y, p: [y[1], y[0] - p.a * y[1] - y[0] * y[2], -p.b * y[2] + y[0] ** 2],
        {"a": 0.85, "b": 0.5},
        ([0.016838697, 0.03489384, 0.35346848], 12.038),
        ([0.0354079, 4.74e-05, -1.3854552], [0.00027, 0.00021, 9.3e-05], 2.0255911),
    ),
    "SprottD": (
        lambda y, p: [-y[1], y[0] + y[2], y[0] * y[2] + 3 * y[1] ** 2],
        {},
        ([-1.3396906, -0.21238338, 0.32982163], 4.8333),
        ([0.1017553, 1.65e-05, -1.3187303], [0.001, 0.00016, 0.0013], 2.0771741),
    ),
    "SprottG": (
        lambda y, p: [p.a * y[0] + y[2], y[0] * y[2] - y[1], -y[0] + y[1]],
        {"a": 0.4},
        ([-0.77182478, -0.74756595, 1.3073285], 8.7097),
        ([0.0336677, -2.86e-05, -0.633639], [0.00039, 0.00021, 0.00036], 2.0530886),
    ),
    "SprottJ": (
        lambda y, p: [2 * y[2], -2 * y[1] + y[2], -y[0] + y[1] + y[1] ** 2],
        {},
        ([4.4786928, 2.2977432, 6.5847115], 4.836),
        ([0.075777, 3.03e-05, -2.0758073], [0.0023, 0.00014, 0.0023], 2.0365195),
    ),
    "SprottL": (
        lambda y, p: [y[1] + p.b * y[2], p.a * y[0] ** 2 - y[1], 1 - y[0]],
        {"a": 0.9, "b": 3.9},
        ([4.3611557, 13.705573, -2.6835659], 6.7262),
        ([0.0596462, 6.1e-05, -1.0597072], [0.00071, 0.0003, 0.00076], 2.0563431),
    ),
    "SprottO": (
        lambda y, p: [y[1], y[0] - y[2], y[0] + y[0] * y[2] + p.a * y[1]],
        {"a": 2.7},
        ([0.20549455, 0.022792985, 0.93636949], 9.755),
        ([0.0494646, -4.6e-06, -0.3192542], [0.0005, 6e-05, 0.00046], 2.1549234),
    ),
    "SprottR": (
        lambda y, p: [p.a - y[1], p.b + y[2], y[0] * y[1] - y[2]],
        {"a": 0.9, "b": 0.4},
        ([-1.6914909, -1.9783678, 1.9807775], 7.0133),
        ([0.0622342, -2.09e-05, -1.0622133], [0.00062, 0.00014, 0.00062], 2.0585695),
    ),
    "VallisElNino": (
        lambda y, p: [p.b * y[1] - p.c * (y[0] + p.p), -y[1] + y[0] * y[2], -y[2] - y[0] * y[1] + 1],
        {"b": 102.0, "c": 3.0, "p": 0.0},
        ([-6.99286331, 0.0232542766, -0.165817756], 2.2087),
        ([0.5604049, -0.0001046, -5.5603003], [0.0027, 0.00061, 0.0025], 2.1007680),
    ),
    "YuWang": (
        lambda y, p: [p.a * (y[1] - y[0]), p.b * y[0] - p.c * y[0] * y[2], jnp.exp(y[0] * y[1]) - p.d * y[2]],
        {"a": 10.0, "b": 40.0, "c": 2.0, "d": 2.5},
        ([-0.21422356, -0.17935495, 14.105516], 1.3366),
        ([1.4205674, 4.94e-05, -13.9206167], [0.0098, 0.00082, 0.0098], 2.1020513),
    ),
}


@pytest.mark.parametrize("name", FLOWS)
def test_spectra(name):
    equations, parameters, (initial, period), (exponents, errors, dimension) = FLOWS[name]
    system = flow_of(name, equations, initial, **parameters)
    found = lyapunov_spectrum(system, t_total=1500 * period, transient=100 * period, workers=1)
    error = np.hypot(found.standard_error.values, errors)
    assert (np.abs(found.exponents.values - exponents) < 4 * error).all()
    assert abs(float(found.sum_minus_divergence)) < 1e-4
    spread = 6 * np.hypot(float(found.kaplan_yorke_error), error.max() / abs(exponents[-1])) + 1e-3
    assert float(found.kaplan_yorke) == pytest.approx(dimension, abs=spread)


def test_transient_hyperchaos_of_lu():
    """With d = 1.3 the hyperchaotic Lu system is a transient: states leave after about 2200 time units on average.

    So many short runs take the place of a long one; those that leave, and grow without bound, are left out.
    """
    system = flow_of(
        "HyperLu",
        lambda y, p: [
            p.a * (y[1] - y[0]) + y[3],
            -y[0] * y[2] + p.c * y[1],
            y[0] * y[1] - p.b * y[2],
            p.d * y[3] + y[0] * y[2],
        ],
        [8.11348619, 10.55664382, 18.44590719, -28.38151717],
        a=36.0,
        b=3.0,
        c=20.0,
        d=1.3,
    )
    noise = 0.1 * np.random.default_rng(0).normal(size=(32, 4))
    found = lyapunov_spectrum(
        system, t_total=200.0, transient=20.0, initial=system.initial_vector + noise, max_steps=200_000
    )
    stayed = found.exponents.values[found.status.values == 0]
    assert len(stayed) >= 20
    mean, error = stayed.mean(axis=0), stayed.std(axis=0, ddof=1) / np.sqrt(len(stayed))
    expected, errors = [0.96293, 0.30243, 0.00011, -18.96546], [0.0134, 0.0188, 0.0059, 0.0220]
    assert (np.abs(mean - expected) < 4 * np.hypot(error, errors)).all()
