"""What one asks of a system."""

from __future__ import annotations

from .basin_measures import basin_entropy, uncertainty_exponent
from .basins import basins, find_attractors
from .bifurcations import bifurcation_diagram, continue_bifurcation, continue_fixed_points
from .branches import Branch, SpecialPoint
from .chaos import correlation_dimension, permutation_entropy, zero_one_test
from .discrimination import discrimination
from .entrainment import winding_numbers
from .fixed_points import fixed_points
from .isoperiodic import isoperiodic_diagram
from .kicks import kick_map, smallest_kick
from .landscape import landscape
from .lyapunov import lyapunov_spectrum
from .lyapunov_diagram import lyapunov_diagram
from .metadynamics import metadynamics
from .motion import modes_of_motion, motion_map
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
    "discrimination",
    "find_attractors",
    "fixed_points",
    "isoperiodic_diagram",
    "kick_map",
    "kuramoto_order_parameter",
    "landscape",
    "lyapunov_diagram",
    "lyapunov_spectrum",
    "metadynamics",
    "modes_of_motion",
    "motion_map",
    "orbit_diagram",
    "permutation_entropy",
    "poincare_section",
    "smallest_kick",
    "stroboscopic_map",
    "synchronisation_error",
    "track_attractors",
    "uncertainty_exponent",
    "winding_numbers",
    "zero_one_test",
]
