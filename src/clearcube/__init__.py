"""Complete cubes from cloudy optical satellite image time series.

>>> import clearcube
>>> cube = clearcube.open_cube("series/*.tif", scale=1e-4)  # doctest: +SKIP
>>> filled = clearcube.fill(cube, method="linear", ndvi=True)  # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clearcube.version import __version__

if TYPE_CHECKING:
    from clearcube.cube import Band, Source, check_cube, ndvi, new_cube
    from clearcube.errors import InputError
    from clearcube.evaluation.scores import score_hidden
    from clearcube.readers.open import open_cube
    from clearcube.workflows.fill import fill

__all__ = [
    "Band",
    "InputError",
    "Source",
    "__version__",
    "check_cube",
    "fill",
    "ndvi",
    "new_cube",
    "open_cube",
    "score_hidden",
]

_HOMES = {
    "Band": "clearcube.cube",
    "InputError": "clearcube.errors",
    "Source": "clearcube.cube",
    "check_cube": "clearcube.cube",
    "fill": "clearcube.workflows.fill",
    "ndvi": "clearcube.cube",
    "new_cube": "clearcube.cube",
    "open_cube": "clearcube.readers.open",
    "score_hidden": "clearcube.evaluation.scores",
}


def __getattr__(name: str) -> Any:
    """Load a public verb when it is first used, so that importing the package costs little."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'clearcube' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
