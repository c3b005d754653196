"""Robots whose motion organises itself in the loop of body, sensor and neuron, and their prototypes."""

from .dissipation import adaptive_dissipation, adaptive_dissipation_double_well
from .wheel import single_wheel

__all__ = ["adaptive_dissipation", "adaptive_dissipation_double_well", "single_wheel"]
