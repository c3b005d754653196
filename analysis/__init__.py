"""What one asks of a system."""

from __future__ import annotations

from .orbit_diagram import orbit_diagram
from .sections import poincare_section

__all__ = ["orbit_diagram", "poincare_section"]
