"""What one asks of a system."""

from __future__ import annotations

from .bifurcations import bifurcation_diagram, continue_bifurcation, continue_fixed_points
from .branches import Branch, SpecialPoint
from .fixed_points import fixed_points
from .lyapunov import lyapunov_spectrum
from .orbit_diagram import orbit_diagram
from .sections import poincare_section

__all__ = [
    "Branch",
    "SpecialPoint",
    "bifurcation_diagram",
    "continue_bifurcation",
    "continue_fixed_points",
    "fixed_points",
    "lyapunov_spectrum",
    "orbit_diagram",
    "poincare_section",
]
