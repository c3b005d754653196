"""Curves followed by pseudo-arclength continuation, whatever they are curves of, and the branches that come of it."""
