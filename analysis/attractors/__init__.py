"""Attractors and their basins: found, told apart, followed over a parameter, left by kicks."""
