"""What is told how far a run is."""

from __future__ import annotations

from collections.abc import Callable

ReportProgress = Callable[[str, int, int], None]
"""Called with a phase, how much of it is done and how much it is in all (pixels, cubes, dates)."""
