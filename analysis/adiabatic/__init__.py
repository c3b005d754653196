"""Attractor metadynamics: the attractors of a fast subsystem, reshaped by its slow variables."""
