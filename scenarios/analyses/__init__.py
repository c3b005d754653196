"""The analyses that a scenario may ask for: one model each, entered in `ANALYSES`.

To add one: derive a model from `base.Analysis` whose fields are options of the function of `attrax.analysis` that it
names, and enter it here. Its result is a Dataset, or branches; the runner stores it and draws it.
"""

from __future__ import annotations

from .attractors import Basins, LyapunovSpectrum, OrbitDiagram, PoincareSection
from .base import Analysis, Work
from .cycles import CycleBranch, FindCycle
from .equilibria import BifurcationCurve, BifurcationDiagram, FixedPointBranch, FixedPoints
from .landscapes import Landscape, Metadynamics
from .learning import Discrimination
from .motion import MotionMap
from .oscillators import KickMap, SmallestKick, WindingNumbers
from .planes import IsoperiodicDiagram, LyapunovDiagram, TrackAttractors

__all__ = ["ANALYSES", "Analysis", "Work"]

ANALYSES: dict[str, type[Analysis]] = {
    each.function: each
    for each in (
        OrbitDiagram,
        PoincareSection,
        LyapunovSpectrum,
        Basins,
        FixedPoints,
        FixedPointBranch,
        BifurcationDiagram,
        BifurcationCurve,
        FindCycle,
        CycleBranch,
        Discrimination,
        MotionMap,
        Metadynamics,
        Landscape,
        WindingNumbers,
        KickMap,
        SmallestKick,
        IsoperiodicDiagram,
        LyapunovDiagram,
        TrackAttractors,
    )
}
"""By their keys in scenario files."""
