"""Readers: from files of any supported format to a cube. `open_cube` is loaded when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clearcube.readers.open import open_cube

__all__ = ["open_cube"]


def __getattr__(name: str) -> Any:
    if name == "open_cube":
        from clearcube.readers.open import open_cube

        return open_cube
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
