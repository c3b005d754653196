"""Robots whose motion organises itself in the loop of body, sensor and neuron, and their prototypes."""

from .arms import arm, lazy_arm, reaching_arm
from .barrels import barrel
from .dissipation import (
    adaptive_dissipation,
    adaptive_dissipation_double_well,
    adaptive_dissipation_plane,
    adaptive_dissipation_wells,
)
from .parts import Part, assemble, on_circle
from .spheres import rolling_sphere, sphere, sphere_in_mode
from .trains import car, ideal_train, kick, train
from .wheel import single_wheel

__all__ = [
    "Part",
    "adaptive_dissipation",
    "adaptive_dissipation_double_well",
    "adaptive_dissipation_plane",
    "adaptive_dissipation_wells",
    "arm",
    "assemble",
    "barrel",
    "car",
    "ideal_train",
    "kick",
    "lazy_arm",
    "on_circle",
    "reaching_arm",
    "rolling_sphere",
    "single_wheel",
    "sphere",
    "sphere_in_mode",
    "train",
]
