"""Fixed points of flows and maps: found, followed, and their bifurcations in one and two parameters."""
