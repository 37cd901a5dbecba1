"""What the file name of an EarthNet2021 cube tells: its part of the sequence, its dates and (nearly) its place."""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clearcube.errors import InputError
from clearcube.readers.calendar import parse_date

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXEL = 20.0
"""Size of a pixel in metres."""
STEP = 5
"""Days between two dates."""
FIRST = 4
"""Days from the start in the name to the first date."""
_SHIFTED_TILES = ("32UMC", "32UNC", "32UPC", "32UQC")
_SHIFT = 57
_COLUMN_LETTERS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")
_ROW_LETTERS = "ABCDEFGHJKLMNPQRSTUV"
_BAND_LETTERS = "CDEFGHJKLMNPQRSTUVWX"
_SQUARE = 100_000
_NAME = re.compile(
    r"(?:(?P<part>context|target)_)?(?P<tile>\d{1,2}[C-X][A-Z]{2})_(?P<start>\d{4}[-_]\d\d[-_]\d\d)_"
    r"(?P<end>\d{4}[-_]\d\d[-_]\d\d)_(?P<pixels>\d+_\d+_\d+_\d+)_(?P<weather>\d+_\d+_\d+_\d+)"
)


@dataclass(frozen=True)
class CubeName:
    """A parsed name. Two parts of one sequence have the same `key`.

    part : "context", "target" or "" (a train cube, the whole sequence).
    rows, columns : first and last pixel of the MGRS tile, 20 m.
    """

    part: str
    tile: str
    start: np.datetime64
    end: np.datetime64
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def key(self) -> tuple[object, ...]:
        """What both parts of one sequence share."""
        return self.tile, str(self.start), str(self.end), self.rows, self.columns

    @property
    def sequence_length(self) -> int:
        """Dates of the whole sequence, context and target."""
        return (int((self.end - self.start).astype(int)) + 1) // STEP

    def dates(self, count: int) -> NDArray[np.datetime64]:
        """The `count` dates of this part, (count,) datetime64[D]; a target holds the last ones of its sequence."""
        first = self.sequence_length - count if self.part == "target" else 0
        steps = FIRST + STEP * (first + np.arange(count))
        return np.asarray(self.start + steps.astype("timedelta64[D]"), dtype="datetime64[D]")

    def grid(self, height: int, width: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixel-centre coordinates y (H,) descending and x (W,), UTM metres; right within 0.02 degrees.

        References
        ----------
        Requena-Mesa et al. (2021), EarthNet2021; the row shift of four tiles follows the makers' toolkit.
        """
        west, north = tile_corner(self.tile)
        first_row = self.rows[0] + (_SHIFT if self.tile in _SHIFTED_TILES else 0)
        y = north - PIXEL * (first_row + 0.5 + np.arange(height))
        x = west + PIXEL * (self.columns[0] + 0.5 + np.arange(width))
        return np.asarray(y, np.float64), np.asarray(x, np.float64)

    @property
    def crs(self) -> str:
        """UTM zone of the tile."""
        zone, band, _ = _split(self.tile)
        return f"EPSG:{(32600 if band >= 'N' else 32700) + zone}"


def parse_name(path: str) -> CubeName:
    """Read a file's name.

    Raises
    ------
    InputError : it is not the name of an EarthNet2021 cube.
    """
    stem = os.path.basename(path).removesuffix(".npz")
    match = _NAME.fullmatch(stem)
    if match is None:
        raise InputError(
            f"{path}: the name does not tell dates and place; an EarthNet2021 cube is called "
            "[context_|target_]TILE_START_END_ROW_ROW_COLUMN_COLUMN_ and four more numbers, "
            "context_29SND_2017-06-30_2017-11-26_1081_1209_1721_1849_16_96_26_106.npz for instance"
        )
    start, end = (parse_date(match[edge].replace("_", "-"), path) for edge in ("start", "end"))
    rows_columns = [int(number) for number in match["pixels"].split("_")]
    return CubeName(
        match["part"] or "",
        match["tile"],
        start,
        end,
        (rows_columns[0], rows_columns[1]),
        (rows_columns[2], rows_columns[3]),
    )


def tile_corner(tile: str) -> tuple[float, float]:
    """West and north edge (UTM metres) of a Sentinel-2 tile: those of its 100 km square, widened to multiples of 60 m.

    Raises
    ------
    InputError : there is no such tile.

    References
    ----------
    NGA.STND.0037 (2014), Universal Grids and Grid Reference Systems, section on MGRS lettering.
    """
    zone, band, square = _split(tile)
    columns, rows = _COLUMN_LETTERS[zone % 3], _ROW_LETTERS
    if not 1 <= zone <= 60 or square[0] not in columns or square[1] not in rows or band not in _BAND_LETTERS:
        raise InputError(f"'{tile}' is no MGRS tile; one is called 29SND for instance")
    west = (columns.index(square[0]) + 1) * _SQUARE
    row = (rows.index(square[1]) - (0 if zone % 2 else 5)) % len(rows)
    lowest = _northing(-80.0 + 8.0 * _BAND_LETTERS.index(band)) // _SQUARE
    cycles = math.ceil((lowest - row) / len(rows))
    north = (row + cycles * len(rows) + 1) * _SQUARE
    return math.floor(west / 60) * 60.0, math.ceil(north / 60) * 60.0


def _split(tile: str) -> tuple[int, str, str]:
    return int(tile[:-3]), tile[-3], tile[-2:]


def _northing(latitude: float) -> float:
    """UTM northing (m) of a latitude (degrees) on the central meridian; series of the meridian arc to e^6, WGS 84."""
    e2 = 0.00669437999014
    phi = math.radians(latitude)
    arc = 6378137.0 * (
        (1 - e2 / 4 - 3 * e2**2 / 64 - 5 * e2**3 / 256) * phi
        - (3 * e2 / 8 + 3 * e2**2 / 32 + 45 * e2**3 / 1024) * math.sin(2 * phi)
        + (15 * e2**2 / 256 + 45 * e2**3 / 1024) * math.sin(4 * phi)
    )
    return 0.9996 * arc + (10_000_000 if latitude < 0 else 0)
