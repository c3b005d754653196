"""What one asks of a system."""

from __future__ import annotations

from .basin_measures import basin_entropy, uncertainty_exponent
from .basins import basins, find_attractors
from .bifurcations import bifurcation_diagram, continue_bifurcation, continue_fixed_points
from .branches import Branch, SpecialPoint
from .chaos import correlation_dimension, permutation_entropy, zero_one_test
from .fixed_points import fixed_points
from .kicks import kick_map, smallest_kick
from .lyapunov import lyapunov_spectrum
from .motion import modes_of_motion
from .orbit_diagram import orbit_diagram
from .sections import poincare_section
from .stroboscopic import stroboscopic_map
from .synchrony import kuramoto_order_parameter, synchronisation_error
from .tracking import track_attractors

__all__ = [
    "Branch",
    "SpecialPoint",
    "basin_entropy",
    "basins",
    "bifurcation_diagram",
    "continue_bifurcation",
    "continue_fixed_points",
    "correlation_dimension",
    "find_attractors",
    "fixed_points",
    "kick_map",
    "kuramoto_order_parameter",
    "lyapunov_spectrum",
    "modes_of_motion",
    "orbit_diagram",
    "permutation_entropy",
    "poincare_section",
    "smallest_kick",
    "stroboscopic_map",
    "synchronisation_error",
    "track_attractors",
    "uncertainty_exponent",
    "zero_one_test",
]
