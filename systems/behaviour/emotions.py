"""Time allocation via emotional stationarity: tasks are chosen such that their emotions come to suit the character.

Emotions (satisfaction, challenge, boredom...) evaluate completed tasks. The character is the distribution of emotions
that is preferred; the frequencies with which tasks are chosen are optimised until the emotions that are experienced
have that distribution, as far as the tasks allow. This is the framework of C. Gros, Front. Comput. Neurosci. 15, 726247
(2021), whose equations were not at hand: the maps here are a construction that obeys it. Of M tasks, task alpha evokes
emotion i with probability R_i,alpha; it is chosen with frequency f_alpha; q_i is the experience, P_i the character. The
frequencies descend the Kullback-Leibler divergence KL = sum_i P_i ln(P_i / q_i).
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from ...engine import stream
from ...engine.declaration import known, parameter
from ...engine.system import map

SOURCE = "after C. Gros, Front. Comput. Neurosci. 15, 726247 (2021), arXiv:1909.11700; the equations are a construction"
OWN = "own computation"
RESPONSES = [[0.7, 0.3, 0.2, 0.1, 0.45], [0.2, 0.6, 0.1, 0.75, 0.25], [0.1, 0.1, 0.7, 0.15, 0.3]]
"""Probabilities of satisfaction, challenge, boredom in five tasks."""
SETTING = {
    "emotions": parameter(3, "", "number of emotions"),
    "tasks": parameter(5, "", "number of tasks"),
    "R": parameter(lambda p: np.array(RESPONSES), "", "probability of each emotion (row) in each task (column)"),
    "P": parameter(lambda p: np.array([0.4, 0.4, 0.2]), "", "character: the preferred distribution of emotions"),
}
# character, KL and experience where the frequencies are best
OUTCOMES = (
    ((0.4, 0.4, 0.2), 0.0, (0.4, 0.4, 0.2)),
    ((0.25, 0.65, 0.1), 8.28e-4, (0.2524, 0.6357, 0.1119)),
    ((0.6, 0.15, 0.25), 2.40e-3, (0.5769, 0.1754, 0.2477)),
    ((0.9, 0.05, 0.05), 0.1222, (0.7, 0.2, 0.1)),
)
NOISY = (0.0005, 0.0013, 0.0029, 0.1226)
"""Mean KL of the stochastic map for these characters."""


def divergence(t, s, p):
    """Kullback-Leibler divergence of the experience from the character."""
    return _divergence(p.P, s.q)


def _divergence(P, q):
    return jnp.sum(P * jnp.log(P / q))


@map(
    state={"f": ("tasks",), "q": ("emotions",)},
    parameters={
        **SETTING,
        "eta": parameter(0.001, "", "rate at which the frequencies adapt"),
        "tau": parameter(1000.0, "", "number of tasks over which experience is remembered"),
    },
    inputs={"which_task": stream.uniform(), "which_emotion": stream.uniform()},
    initial={"f": lambda p: np.full(p.tasks, 1 / p.tasks), "q": lambda p: np.full(p.emotions, 1 / p.emotions)},
    observables={"KL": divergence},
    slow=("f",),
    source=SOURCE,
    known=(
        *(
            known(
                f"KL of the experience in the long run for the character {P}",
                KL,
                lambda ax, s, P=P: _late(ax, s, P).KL.mean(),
                atol=2e-4,
                source=f"{OWN}: the best divergence plus (emotions - 1) / (4 tau) of shot noise",
            )
            for (P, _, _), KL in zip(OUTCOMES, NOISY, strict=True)
        ),
        *(
            known(
                f"mean experience of emotion {i} for the character {P}",
                q[i],
                lambda ax, s, P=P, i=i: _late(ax, s, P).q[:, i].mean(),
                atol=0.003,
                source=f"{OWN}; the character itself where the tasks can provide it",
            )
            for P, _, q in OUTCOMES
            for i in range(2)
        ),
        known(
            "shot noise of KL for tau = 300",
            2 / (4 * 300),
            lambda ax, s: _late(ax, s.with_parameters(tau=300.0), (0.4, 0.4, 0.2)).KL.mean(),
            rtol=0.2,
            source="expansion of KL: (emotions - 1) / (4 tau) above its minimum",
        ),
    ),
)
def emotional_stationarity(t, s, p):
    """One task after the other is chosen and felt; the frequencies of tasks adapt to the emotions felt.

    f are the frequencies with which tasks are chosen, q the distribution of recent emotions. In the long run q is
    stationary: it fluctuates about the character P if the tasks can provide it, else about the nearest distribution
    that they can.
    """
    task = jnp.sum(p.which_task * jnp.sum(s.f) > jnp.cumsum(s.f)[:-1])
    chance = p.R @ (jnp.arange(p.tasks) == task)
    emotion = jnp.sum(p.which_emotion > jnp.cumsum(chance)[:-1])
    felt = (jnp.arange(p.emotions) == emotion).astype(float)
    f = s.f * jnp.exp(p.eta * ((p.P / s.q - 1) @ p.R))
    return {"f": f / jnp.sum(f), "q": s.q + (felt - s.q) / p.tau}


def _late(ax, system, character):
    return ax.simulate(system.with_parameters(P=character), 4_000_000, sample=100, transient=2_000_000, seed=1)


@map(
    state={"f": ("tasks",)},
    parameters=SETTING,
    initial={"f": lambda p: np.full(p.tasks, 1 / p.tasks)},
    observables={
        "q": lambda t, s, p: p.R @ s.f,
        "KL": lambda t, s, p: _divergence(p.P, p.R @ s.f),
    },
    source=SOURCE,
    known=(
        *(
            known(
                f"least KL for the character {P}",
                KL,
                lambda ax, s, P=P: _best(ax, s, P).KL,
                atol=5e-5,
                source=OWN,
            )
            for P, KL, _ in OUTCOMES
        ),
        *(
            known(
                f"experience of emotion {i} for the character {P}",
                q[i],
                lambda ax, s, P=P, i=i: _best(ax, s, P).q[0, i],
                atol=5e-4,
                source=OWN,
            )
            for P, _, q in OUTCOMES
            for i in range(3)
        ),
        known(
            "frequency of the first task for the unattainable character (0.9, 0.05, 0.05)",
            1.0,
            lambda ax, s: _best(ax, s, (0.9, 0.05, 0.05)).f[0, 0],
            atol=1e-6,
            source="exact: of all tasks it satisfies most, and bores least",
        ),
    ),
)
def emotional_stationarity_mean_field(t, s, p):
    """The same without chance: f_alpha -> f_alpha sum_i R_i,alpha P_i / q_i with the experience q = R f.

    f are the frequencies of tasks. KL never increases: the step is that of expectation maximisation.
    """
    return {"f": s.f * ((p.P / (p.R @ s.f)) @ p.R)}


def _best(ax, system, character):
    return ax.simulate(system.with_parameters(P=character), 100_000, sample="end")
