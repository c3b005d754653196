"""Numbers that the drivers of large systems and their callers agree on."""

from __future__ import annotations

SECTIONS = ("start", "step", "final", "interpolate", "record", "commit")
START, STEP, FINAL, INTERPOLATE, RECORD, COMMIT = range(len(SECTIONS))

COLUMNS = ("t", "h", "memory", "held", "steps", "rejected", "sample", "end", "last", "accepted")
T, H, MEMORY, HELD, STEPS, REJECTED, SAMPLE, END, LAST, ACCEPTED = range(len(COLUMNS))

RULE = ("power", "beta", "safety", "shrink", "grow")
POWER, BETA, SAFETY, SHRINK, GROW = range(len(RULE))

CLOCKS = 4
"""Times of a step beside those of the stages: its end, that of a record, nothing, the fraction of the step there."""
