"""Measures of time series: chaos, entropies, spectra, synchrony, sequences of activities, modes of motion."""
