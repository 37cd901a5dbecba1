"""What a user may say about how a source is to be read; the same for every format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearcube.errors import InputError


@dataclass(frozen=True)
class ReadOptions:
    """How to read a source. None = as the source itself tells.

    bands : the bands to read, in this order, by common name or Sentinel-2 id; None = all that are recognised;
        () = none, only masks are wanted (`RawSeries.reflectance` then has an empty band dimension).
    variables : band name -> variable (or band of a file) that holds it, where names do not tell. Every name here is
        also in `bands`.
    scale, offset : reflectance = scale x stored + offset, so both have the unit of reflectance (Sentinel-2 from
        processing baseline 04.00 on: scale 1e-4, offset -0.1). A given one replaces the source's own, at every date.
        Sentinel-2's offset that is not given follows the baseline in product names or metadata, date by date; it is
        never derived from the sensing date, and without a baseline it is 0.
    nodata : stored value that means "no value", before scale and offset; in addition to the source's own.
    mask : variable that the user names as the mask; delivered in `RawSeries.masks` besides the recognised ones.
    chunks : side in pixels of a dask chunk where the source's own chunks do not decide.
    """

    bands: tuple[str, ...] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None
    mask: str | None = None
    chunks: int = 2048

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale < float("inf"):
            raise InputError(f"scale is {self.scale}; it must be positive, 1e-4 for Sentinel-2 DN for instance")
        if self.offset is not None and not abs(self.offset) < 10:
            raise InputError(
                f"offset is {self.offset}, but it is added after the scale and has the unit of reflectance; "
                "for Sentinel-2's offset of -1000 DN give -0.1"
            )
        if self.chunks < 1:
            raise InputError(f"chunks is {self.chunks}; it must be a positive number of pixels")
