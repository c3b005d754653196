"""Poincaré sections, stroboscopic maps, and diagrams of what is seen in the long run."""
