"""What one asks of a system."""

from __future__ import annotations

from .adiabatic.landscape import landscape
from .adiabatic.metadynamics import metadynamics
from .attractors.basin_measures import basin_entropy, uncertainty_exponent
from .attractors.basins import basins, find_attractors
from .attractors.basins_by import basins_by_features, basins_by_proximity
from .attractors.branch_matching import match_branches
from .attractors.kicks import kick_map, smallest_kick
from .attractors.tracking import track_attractors
from .continuation.branches import Branch, SpecialPoint
from .cycles.branches import CycleBranch, CyclePoint
from .cycles.continuation import continue_cycles
from .cycles.cycle import Cycle, find_cycle
from .cycles.entrainment import winding_numbers
from .cycles.floquet import floquet, phase_response
from .cycles.isochrons import asymptotic_phase
from .equilibria.bifurcations import bifurcation_diagram, continue_bifurcation, continue_fixed_points
from .equilibria.fixed_points import fixed_points
from .lyapunov.alignment import alignment_index
from .lyapunov.diagram import lyapunov_diagram
from .lyapunov.predictability import predictability
from .lyapunov.spectrum import lyapunov_spectrum
from .sections.isoperiodic import isoperiodic_diagram
from .sections.orbit_diagram import orbit_diagram
from .sections.poincare_map import poincare_map
from .sections.sections import poincare_section
from .sections.stroboscopic import stroboscopic_map
from .signals.activities import activity_sequence
from .signals.chaos import correlation_dimension, permutation_entropy, zero_one_test
from .signals.discrimination import discrimination
from .signals.motion import modes_of_motion, motion_map
from .signals.power_spectra import cross_correlation, power_spectrum
from .signals.sample_entropy import sample_entropy
from .signals.synchrony import kuramoto_order_parameter, synchronisation_error

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
