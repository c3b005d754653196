"""Numbers that kernels, drivers and their callers agree on: statuses, and the order in which fields are named."""

from __future__ import annotations

DONE, RUNNING, NONFINITE, STEP_TOO_SMALL, TOO_MANY_STEPS, PAUSED = range(6)

FIELDS = (
    *("t", "y", "told", "hold", "stuck", "steps", "sample", "sample_time"),
    *("gold", "g", "crossed", "theta", "ytheta", "gtheta", "t_end"),
)
T, Y, TOLD, HOLD, STUCK, STEPS, SAMPLE, SAMPLE_TIME = range(8)
GOLD, G, CROSSED, THETA, YTHETA, GTHETA, T_END = range(8, 15)

STEP_FIELDS = ("y", "p", "index", "strides", "theta", "ytheta")
LANE_Y, LANE_P, INDEX, STRIDES, LANE_THETA, LANE_YTHETA = range(len(STEP_FIELDS))
