"""What a user says about the mask: which variable of which file, of what kind, and how it is judged."""

from __future__ import annotations

from dataclasses import dataclass

from clearcube import masks
from clearcube.errors import InputError

USER_KINDS = ("scl", "probability", *masks.BITS, "clear", "bad")
"""Kinds of mask that a user may name."""


@dataclass(frozen=True)
class MaskSpec:
    """Which variable is the mask, as [FILE:]VAR[=KIND]; a `variable` of None means none at all."""

    variable: str | None
    file: str | None = None
    kind: str | None = None

    @classmethod
    def parse(cls, text: str) -> MaskSpec:
        """Read what the user wrote.

        >>> MaskSpec.parse("s3://place/scl.nc:SCL=scl")
        MaskSpec(variable='SCL', file='s3://place/scl.nc', kind='scl')

        Raises
        ------
        InputError : the kind is unknown or the variable is missing.
        """
        if text.strip().lower() == "none":
            return cls(None)
        place, equals, kind = text.rpartition("=")
        if not equals:
            place, kind = text, ""
        if equals and kind not in USER_KINDS:
            raise InputError(
                f"mask is '{text}', but '{kind}' is no kind of mask; the kinds are {', '.join(USER_KINDS)}"
            )
        file, _, variable = place.rpartition(":")
        if not variable or variable.startswith("//") or file.endswith(":"):
            raise InputError(f"mask is '{text}', which names no variable; write FILE:VARIABLE, scl.nc:SCL for instance")
        return cls(variable, file or None, kind or None)


@dataclass(frozen=True)
class MaskOptions:
    """How masks are judged.

    scl_keep : scene classes that are usable.
    max_probability : largest usable cloud probability, in the mask's own unit.
    dilate : pixels of the cube by which clouds and shadows grow.
    """

    scl_keep: tuple[int, ...] = masks.SCL_KEEP
    max_probability: float = masks.MAX_CLOUD_PROBABILITY
    dilate: int = 0

    def __post_init__(self) -> None:
        if not set(self.scl_keep) <= set(range(12)):
            raise InputError(f"scl_keep is {self.scl_keep}; scene classes are whole numbers from 0 to 11")
        if not self.max_probability >= 0:
            raise InputError(f"max_cloud_probability is {self.max_probability}; it cannot be negative")
        if self.dilate < 0 or self.dilate != int(self.dilate):
            raise InputError(f"dilate is {self.dilate}; it must be a whole number of pixels, 0 or more")
