"""Lyapunov exponents, and other measures of how nearby trajectories part."""
