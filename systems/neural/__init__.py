"""Networks of rate neurons with plastic synapses, gains and thresholds."""

from .comparator import comparator, comparator_network
from .excitable import fitzhugh_nagumo, hindmarsh_rose, hodgkin_huxley, morris_lecar
from .hebbian import averaged_hebbian, fisher_hebbian, fisher_hebbian_bars
from .hopfield import hopfield_map, hopfield_network, modern_hopfield, modern_hopfield_map
from .latching import latching_network, random_patterns
from .metadynamics import intrinsic_plasticity, self_coupled_neuron, target_point_network, three_site_network
from .polyhomeostasis import polyhomeostatic_adaptation, polyhomeostatic_network, self_coupled_neuron_map
from .populations import quadratic_integrate_and_fire, theta_network, wilson_cowan
from .stsp import (
    clique_weights,
    full_depletion,
    random_weights,
    stsp_clique_ring,
    stsp_network,
    stsp_random_network,
    stsp_ring,
    tsodyks_markram,
    tsodyks_markram_clique_ring,
    tsodyks_markram_network,
)
from .tipping import averaged_tipping_neuron, dwell_times, tipping_neuron

__all__ = [
    "averaged_hebbian",
    "averaged_tipping_neuron",
    "clique_weights",
    "comparator",
    "comparator_network",
    "dwell_times",
    "fisher_hebbian",
    "fisher_hebbian_bars",
    "fitzhugh_nagumo",
    "full_depletion",
    "hindmarsh_rose",
    "hodgkin_huxley",
    "hopfield_map",
    "hopfield_network",
    "intrinsic_plasticity",
    "latching_network",
    "modern_hopfield",
    "modern_hopfield_map",
    "morris_lecar",
    "polyhomeostatic_adaptation",
    "polyhomeostatic_network",
    "quadratic_integrate_and_fire",
    "random_patterns",
    "random_weights",
    "self_coupled_neuron",
    "self_coupled_neuron_map",
    "stsp_clique_ring",
    "stsp_network",
    "stsp_random_network",
    "stsp_ring",
    "target_point_network",
    "theta_network",
    "three_site_network",
    "tipping_neuron",
    "tsodyks_markram",
    "tsodyks_markram_clique_ring",
    "tsodyks_markram_network",
    "wilson_cowan",
]
