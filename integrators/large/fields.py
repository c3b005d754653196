"""Numbers that the drivers of large systems and their callers agree on."""

from __future__ import annotations

SECTIONS = ("start", "step", "final", "interpolate", "record", "commit", "watch", "suspicious", "setup")
START, STEP, FINAL, INTERPOLATE, RECORD, COMMIT, WATCH, SUSPICIOUS, SETUP = range(len(SECTIONS))
FIRST_RESET = len(SECTIONS)
"""Sections of the resets of events come behind them."""

COLUMNS = ("t", "h", "memory", "held", "steps", "rejected", "sample", "end", "last", "accepted")
T, H, MEMORY, HELD, STEPS, REJECTED, SAMPLE, END, LAST, ACCEPTED = range(len(COLUMNS))

RULE = ("power", "beta", "safety", "shrink", "grow")
POWER, BETA, SAFETY, SHRINK, GROW = range(len(RULE))

CLOCKS = 4
"""Times of a step beside those of the stages: its end, that of a record, its number, the fraction of the step there."""

EYE: tuple[str, ...] = (
    "events",
    "size",
    "degree",
    "ranges",
    "nodes",
    "matrix",
    "slots",
    "values",
    "suspect",
    "passed",
    "turn",
)
EYE += ("turned", "times", "numbers", "logged", "room", "list", "listed", "pending", "who", "one", "stops")
EYE += ("scratch", "taken", "deliveries", "kicks")
"""What drivers know of events: how many, their elements, the degree of polynomials; addresses, numbers of buffers."""
EVENTS, SIZE, DEGREE, RANGES, NODES, MATRIX, SLOTS, VALUES, SUSPECT, PASSED, TURN, TURNED, *_ = range(len(EYE))
TIMES, NUMBERS, LOGGED, ROOM, LIST, LISTED, PENDING, WHO, ONE, STOPS, SCRATCH, TAKEN, DELIVERIES, KICKS = range(
    TURNED + 1, len(EYE)
)

DELIVERY = 6
"""Of each sparse coupling by which an event sends: the event, the buffer of what arrives, and its size; addresses of
where the synapses of each neuron begin, of the neurons that receive, of the weights."""

KICK = 4
"""Of each event at given times: its number, how many times there are at most; addresses of the steps at whose ends it
comes to each member, and of how many of them are past."""

RANGE = 5
"""Of each event: its first element and the one after its last, the side, the actions, whether it marks extrema."""
