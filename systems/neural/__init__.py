"""Networks of rate neurons with plastic synapses and thresholds."""

from .metadynamics import intrinsic_plasticity, self_coupled_neuron, three_site_network
from .stsp import (
    full_depletion,
    stsp_network,
    stsp_ring,
    tsodyks_markram,
    tsodyks_markram_network,
)

__all__ = [
    "full_depletion",
    "intrinsic_plasticity",
    "self_coupled_neuron",
    "stsp_network",
    "stsp_ring",
    "three_site_network",
    "tsodyks_markram",
    "tsodyks_markram_network",
]
