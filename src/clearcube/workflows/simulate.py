"""Simulating: a folder of scenes as cubes, each with its truth beside it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from clearcube.cube import SENTINEL2_BANDS, Band
from clearcube.errors import InputError
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import BAND_SETS
from clearcube.simulation.cubes import to_cube
from clearcube.version import __version__
from clearcube.workflows.places import check_free
from clearcube.writers.encoding import EPOCH
from clearcube.writers.stage import opened

if TYPE_CHECKING:
    import xarray as xr

    from clearcube.progress import ReportProgress

SUFFIXES = {"netcdf": ".nc", "zarr": ".zarr"}
TRUTH = "truth"
"""Folder of the truths in the output; each is called as its cube."""
LIMITS = {"number": (1, 1_000_000), "seed": (0, 2**62), "size": (8, 16_384), "dates": (2, 1000)}
MOST_PIXEL_DATES = 100_000_000
"""Pixels times dates of a scene, which is made in memory."""


@dataclass(frozen=True)
class SimulationRequest:
    """What `clearcube simulate` was asked for.

    output : folder. size : pixels along the sides. dates : of each scene. bands : a set of `BAND_SETS`, or names.

    Raises
    ------
    InputError : a number out of its range, an unknown format or band.
    """

    output: Path
    number: int = 100
    seed: int = 0
    size: int = 128
    dates: int = 30
    bands: tuple[str, ...] = ("sentinel2-four",)
    format: Literal["netcdf", "zarr"] = "netcdf"
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        for name, (least, most) in LIMITS.items():
            if not least <= getattr(self, name) <= most:
                raise InputError(f"{name} is {getattr(self, name)}; it must be from {least} to {most}")
        if self.size**2 * self.dates > MOST_PIXEL_DATES:
            raise InputError(
                f"{self.dates} dates of {self.size} x {self.size} pixels are more than the {MOST_PIXEL_DATES:.0e} "
                "pixels times dates that a scene may have; take a smaller --size or fewer --dates"
            )
        if self.format not in SUFFIXES:
            raise InputError(f"format is '{self.format}'; it must be {' or '.join(SUFFIXES)}")
        bands_named(self.bands)


def simulate_files(request: SimulationRequest, progress: ReportProgress) -> list[Path]:
    """Write the scenes; the folder appears under its name only when complete. Returns the cubes, without the truths.

    OUTPUT/scene_0000.nc, ... are cubes with clouds and a mask as it might be delivered; OUTPUT/truth/scene_0000.nc
    has the same dates under a clear sky, `observed` everywhere, and `contamination`, how much cloud and shadow hide.
    A scene depends on the seed, its number, the size, dates and bands, not on how many there are. None equals one
    that training draws.

    Raises
    ------
    InputError : the output exists, or a stage of it that was neither asked to be resumed nor replaced.
    OSError : writing failed on the way; the stage stays and can be resumed.
    """
    _check_place(request)
    with opened(request.output, _fingerprint(request), resume=request.resume, overwrite=request.overwrite) as stage:
        folder = stage.path / "scenes"
        (folder / TRUTH).mkdir(parents=True, exist_ok=True)
        done = stage.done()
        for index in range(request.number):
            name = _name(index, request)
            if name not in done:
                _write_scene(request, index, folder / name, folder / TRUTH / name)
                stage.mark(name)
            progress("simulating", index + 1, request.number)
        stage.publish(folder, request.output)
        stage.remove()
    return [request.output / _name(index, request) for index in range(request.number)]


def bands_named(names: tuple[str, ...]) -> tuple[Band, ...]:
    """The bands of a set, or bands by their common names or Sentinel-2's.

    Raises
    ------
    InputError : a name is unknown or comes twice.
    """
    if len(names) == 1 and names[0] in BAND_SETS:
        return BAND_SETS[names[0]]
    known = SENTINEL2_BANDS | {band.name: band for band in SENTINEL2_BANDS.values()}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        sets, single = ", ".join(BAND_SETS), ", ".join(band.name for band in SENTINEL2_BANDS.values())
        raise InputError(f"bands is '{','.join(names)}'; give one of the sets {sets}, or some of {single}")
    bands = tuple(known[name] for name in names)
    if len(set(bands)) < len(bands):
        raise InputError(f"bands is '{','.join(names)}'; name each band once")
    return bands


def _check_place(request: SimulationRequest) -> None:
    """Refuse an output that is there, unless it is one of scenes that is to be replaced."""
    output = request.output
    check_free(output, overwrite=request.overwrite)
    if not output.exists():
        return
    foreign = [each.name for each in output.iterdir() if not _ours(each.name)] if output.is_dir() else [output.name]
    if foreign:
        raise InputError(f"{output} holds other things than simulated scenes ({foreign[0]}); name another folder")


def _ours(name: str) -> bool:
    return name == TRUTH or (name.startswith("scene_") and name.endswith(tuple(SUFFIXES.values())))


def _fingerprint(request: SimulationRequest) -> dict[str, Any]:
    """All that decides what the scenes are."""
    kept = {key: value for key, value in asdict(request).items() if key not in ("output", "resume", "overwrite")}
    return {"version": __version__, "simulation": kept}


def _name(index: int, request: SimulationRequest) -> str:
    return f"scene_{index:04d}{SUFFIXES[request.format]}"


def _write_scene(request: SimulationRequest, index: int, cube_path: Path, truth_path: Path) -> None:
    """Make one scene and write its two files."""
    rng = np.random.default_rng([request.seed, index])
    bands, size = bands_named(request.bands), request.size
    config = random_config(rng, height=size, width=size, n_dates=request.dates, bands=bands, evaluation=True)
    whole = to_cube(simulate(config, int(rng.integers(2**31))), config.pixel_size)
    whole = whole.assign_attrs(seed=request.seed, scene=index, source=f"clearcube {__version__}, simulated")
    cube = whole.drop_vars(["truth", "contamination"])
    truth = whole.drop_vars("truth").assign(
        reflectance=whole["reflectance"].copy(data=whole["truth"].values),
        observed=whole["observed"].copy(data=np.ones(whole["observed"].shape, bool)),
    )
    _write(cube, cube_path)
    _write(truth.assign_attrs(title="simulated scene under a clear sky"), truth_path)


def _write(cube: xr.Dataset, path: Path) -> None:
    """One NetCDF-4 file or Zarr store (format 2)."""
    if path.suffix == ".zarr":
        cube.to_zarr(path, mode="w", zarr_format=2, consolidated=True)
        return
    encoding: dict[str, dict[str, Any]] = {
        str(name): {"zlib": True, "complevel": 1, "shuffle": True} for name in cube.data_vars
    }
    encoding["time"] = {"units": EPOCH, "dtype": "int32"}
    cube.to_netcdf(path, engine="h5netcdf", encoding=encoding)
