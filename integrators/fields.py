"""Numbers that kernels, drivers and their callers agree on: statuses, and the order in which fields are named."""

from __future__ import annotations

DONE, RUNNING, NONFINITE, STEP_TOO_SMALL, TOO_MANY_STEPS, EVENT, ZENO, PAUSED = range(8)

FIELDS = (
    *("t", "y", "told", "hold", "stuck", "steps", "sample", "sample_time", "theta", "ytheta", "t_end", "t_start"),
    *("g", "gold", "rate", "stop", "kick", "flag", "begin", "end", "after", "last", "over"),
    *("fired", "gap", "widest", "due"),
    *("gtheta", "which", "when", "lands", "gone", "gone_rate", "bernstein", "residual"),
    *("passages", "low", "high", "rising", "moved"),
)
T, Y, TOLD, HOLD, STUCK, STEPS, SAMPLE, SAMPLE_TIME, THETA, YTHETA, T_END, T_START = range(12)
G, GOLD, RATE, STOP, KICK, FLAG, BEGIN, END, AFTER, LAST, OVER = range(12, 23)
FIRED, GAP, WIDEST, DUE = range(23, 27)
GTHETA, WHICH, WHEN, LANDS, GONE, GONE_RATE, BERNSTEIN, RESIDUAL = range(27, 35)
PASSAGES, LOW, HIGH, RISING, MOVED = range(35, 40)

RESET, TERMINAL = 1, 2
"""Bits of what an event does."""

NOISE = 2.0**-45
"""Over the largest coefficient, below which one is zero."""
RESOLVED = 1e-8
"""How well a polynomial must agree with the event function, over its largest coefficient."""
TINY = 1e-300
"""What stands for zero on one side of zero."""

STEP_FIELDS = ("y", "p", "index", "strides", "theta", "ytheta")
LANE_Y, LANE_P, INDEX, STRIDES, LANE_THETA, LANE_YTHETA = range(len(STEP_FIELDS))
