"""How much of a run is done: of its steps or of its time, whichever is more."""

from __future__ import annotations

from typing import Protocol


class Passed(Protocol):
    """Steps and seconds that are done."""

    step: int
    seconds: float


class Limits(Protocol):
    """Steps and hours with which a run ends, whichever comes first."""

    @property
    def steps(self) -> int:
        """Steps."""
        ...

    @property
    def hours(self) -> float:
        """Hours."""
        ...


def share_done(progress: Passed, limits: Limits) -> float:
    """Share of the run that is done, from 0."""
    return max(progress.step / limits.steps, progress.seconds / 3600 / limits.hours)


def is_done(progress: Passed, limits: Limits) -> bool:
    """Whether its steps or its hours are over."""
    return progress.step >= limits.steps or progress.seconds >= 3600 * limits.hours
