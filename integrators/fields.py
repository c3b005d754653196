"""Numbers that kernels, drivers and their callers agree on: statuses, and the order in which fields are named."""

from __future__ import annotations

DONE, RUNNING, NONFINITE, STEP_TOO_SMALL, TOO_MANY_STEPS, EVENT, ZENO, PAUSED = range(8)

FIELDS = (
    *("t", "y", "told", "hold", "stuck", "steps", "sample", "sample_time", "theta", "ytheta", "t_end", "t_start"),
    *("g", "gold", "rate", "stop", "kick", "flag", "begin", "end", "after", "last", "over"),
    *("fired", "gap", "widest", "due"),
    *("gtheta", "which", "when", "lands", "gone", "gone_rate", "bernstein", "residual"),
)
T, Y, TOLD, HOLD, STUCK, STEPS, SAMPLE, SAMPLE_TIME, THETA, YTHETA, T_END, T_START = range(12)
G, GOLD, RATE, STOP, KICK, FLAG, BEGIN, END, AFTER, LAST, OVER = range(12, 23)
FIRED, GAP, WIDEST, DUE = range(23, 27)
GTHETA, WHICH, WHEN, LANDS, GONE, GONE_RATE, BERNSTEIN, RESIDUAL = range(27, 35)

RESET, TERMINAL = 1, 2
"""Bits of what an event does."""

STEP_FIELDS = ("y", "p", "index", "strides", "theta", "ytheta")
LANE_Y, LANE_P, INDEX, STRIDES, LANE_THETA, LANE_YTHETA = range(len(STEP_FIELDS))
