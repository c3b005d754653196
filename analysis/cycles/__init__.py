"""Limit cycles: found, followed through their bifurcations, their multipliers, phases and responses."""
