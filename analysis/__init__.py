"""What one asks of a system."""

from __future__ import annotations

from .activities import activity_sequence
from .alignment import alignment_index
from .basin_measures import basin_entropy, uncertainty_exponent
from .basins import basins, find_attractors
from .basins_by import basins_by_features, basins_by_proximity
from .bifurcations import bifurcation_diagram, continue_bifurcation, continue_fixed_points
from .branch_matching import match_branches
from .branches import Branch, SpecialPoint
from .chaos import correlation_dimension, permutation_entropy, zero_one_test
from .cycle_branches import CycleBranch, CyclePoint
from .cycle_continuation import continue_cycles
from .cycles import Cycle, find_cycle
from .discrimination import discrimination
from .entrainment import winding_numbers
from .fixed_points import fixed_points
from .floquet import floquet, phase_response
from .isochrons import asymptotic_phase
from .isoperiodic import isoperiodic_diagram
from .kicks import kick_map, smallest_kick
from .landscape import landscape
from .lyapunov import lyapunov_spectrum
from .lyapunov_diagram import lyapunov_diagram
from .metadynamics import metadynamics
from .motion import modes_of_motion, motion_map
from .orbit_diagram import orbit_diagram
from .poincare_map import poincare_map
from .power_spectra import cross_correlation, power_spectrum
from .predictability import predictability
from .sample_entropy import sample_entropy
from .sections import poincare_section
from .stroboscopic import stroboscopic_map
from .synchrony import kuramoto_order_parameter, synchronisation_error
from .tracking import track_attractors

__all__ = [
    "asymptotic_phase",
    "Branch",
    "Cycle",
    "CycleBranch",
    "CyclePoint",
    "SpecialPoint",
    "activity_sequence",
    "alignment_index",
    "basin_entropy",
    "basins",
    "basins_by_features",
    "basins_by_proximity",
    "bifurcation_diagram",
    "continue_bifurcation",
    "continue_cycles",
    "continue_fixed_points",
    "correlation_dimension",
    "cross_correlation",
    "discrimination",
    "find_attractors",
    "find_cycle",
    "fixed_points",
    "floquet",
    "isoperiodic_diagram",
    "kick_map",
    "kuramoto_order_parameter",
    "landscape",
    "lyapunov_diagram",
    "lyapunov_spectrum",
    "match_branches",
    "metadynamics",
    "modes_of_motion",
    "motion_map",
    "orbit_diagram",
    "permutation_entropy",
    "phase_response",
    "poincare_map",
    "poincare_section",
    "power_spectrum",
    "predictability",
    "sample_entropy",
    "smallest_kick",
    "stroboscopic_map",
    "synchronisation_error",
    "track_attractors",
    "uncertainty_exponent",
    "winding_numbers",
    "zero_one_test",
]
