"""Numbers of a member that the driver of the Radau method and its caller agree on."""

from __future__ import annotations

T, H, TOLD, HOLD, STEPS, REJECTED, SAMPLE = range(7)
TJ, HLU, CURRENT, REFUSED, WILD, ETA, LAST_H, LAST_ERROR = range(7, 15)
SCALARS = 16
