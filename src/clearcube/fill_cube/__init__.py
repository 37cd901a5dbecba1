"""The engine: fills a cube window by window, in memory, lazily or into a stage; the part that runs dask."""

from clearcube.fill_cube.lazy import fill_with
from clearcube.fill_cube.running import Workers
from clearcube.fill_cube.staged import StagedFill
from clearcube.fill_cube.window import FillSettings

__all__ = ["FillSettings", "StagedFill", "Workers", "fill_with"]
