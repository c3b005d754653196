"""Models of behaviour: what to do next, and why."""

from .emotions import emotional_stationarity, emotional_stationarity_mean_field

__all__ = ["emotional_stationarity", "emotional_stationarity_mean_field"]
