"""How long a classic NetCDF file must be, by its header: a file cut off is read by the libraries as if it were whole.

Reference: Unidata, NetCDF Classic Format Specification (CDF-1, CDF-2 and CDF-5).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value by its type's number."""
_T = TypeVar("_T")


@dataclass(frozen=True)
class _Extent:
    """Where a variable lies: its first byte, the bytes of it (of one record, where it has records)."""

    begin: int
    size: int
    has_records: bool


@dataclass(frozen=True)
class _Header:
    """Reads the parts of a header one after the other. `version` 1, 2 or 5 decides how wide numbers are."""

    file: BinaryIO
    version: int

    def integer(self, width: int) -> int:
        """An unsigned big-endian number.

        Raises
        ------
        EOFError : the file ends before it.
        """
        found = self.file.read(width)
        if len(found) < width:
            raise EOFError("the file ends within its header")
        return int.from_bytes(found, "big")

    def count(self) -> int:
        """A number of things."""
        return self.integer(8 if self.version == 5 else 4)

    def several(self, read: Callable[[], _T]) -> list[_T]:
        """A list with its tag and length."""
        self.integer(4)
        return [read() for _ in range(self.count())]

    def skip(self, size: int) -> None:
        """Pass over some bytes, which are filled up to a multiple of four."""
        self.file.seek(_padded(size), 1)

    def dimension(self) -> int:
        """The length of a dimension, 0 for the one of records."""
        self.skip(self.count())
        return self.count()

    def attribute(self) -> None:
        """Pass over an attribute."""
        self.skip(self.count())
        size = _SIZES[self.integer(4)]
        self.skip(size * self.count())

    def variable(self, lengths: list[int]) -> _Extent:
        """Where a variable lies; `lengths` are those of the dimensions."""
        self.skip(self.count())
        shape = [lengths[self.count()] for _ in range(self.count())]
        self.several(self.attribute)
        size = _SIZES[self.integer(4)]
        self.count()
        begin = self.integer(4 if self.version == 1 else 8)
        has_records = bool(shape) and shape[0] == 0
        return _Extent(begin, size * math.prod(shape[1:] if has_records else shape), has_records)


def needed_bytes(file: BinaryIO) -> int:
    """The length that a classic NetCDF file has at least when it is whole.

    file : at its beginning, a file whose first bytes are `CDF` and the version.

    Raises
    ------
    EOFError, KeyError, IndexError : the header itself is cut off or damaged.
    """
    header = _Header(file, file.read(4)[3])
    records = header.count()
    lengths = header.several(header.dimension)
    header.several(header.attribute)
    extents = header.several(lambda: header.variable(lengths))
    plain = [each for each in extents if not each.has_records]
    recorded = [each for each in extents if each.has_records]
    ends = [each.begin + each.size for each in plain]
    unknown = 2 ** (64 if header.version == 5 else 32) - 1  # the writer streamed and did not go back
    if records not in (0, unknown):
        step = sum(_padded(each.size) for each in recorded) if len(recorded) > 1 else sum(e.size for e in recorded)
        ends += [each.begin + (records - 1) * step + each.size for each in recorded]
    return max(ends, default=0)


def _padded(size: int) -> int:
    return -(-size // 4) * 4
