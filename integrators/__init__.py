"""How time advances."""

from __future__ import annotations

from .ensemble import Ensemble, grid, zip
from .gradients import gradient
from .methods import methods
from .simulate import simulate
from .stepper import stepper

__all__ = ["Ensemble", "gradient", "grid", "methods", "simulate", "stepper", "zip"]
