"""A demonstration that needs no data: simulate a cloudy cube, fill it, score it against the truth, draw it.

python scripts/demo.py FOLDER
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import numpy as np
import xarray as xr

from clearcube import score_hidden
from clearcube.cube import SENTINEL2_BANDS
from clearcube.filler import NORMAL_90
from clearcube.simulation.cubes import to_cube
from clearcube.simulation.draws import random_config
from clearcube.simulation.scene import simulate
from clearcube.workflows.fill import FillRequest, fill_files
from clearcube.workflows.plot import PlotRequest, plot_files

SEED = 32
SHOWN = "seq2seq"
METHODS = ("nearest", "linear", "whittaker", SHOWN)


def main(folder: Path) -> None:
    """Make everything anew in the folder."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    cube = simulated(folder / "cloudy.zarr")
    times, bands, height, width = cube["reflectance"].shape
    seen = float(cube["observed"].mean())
    say(f"simulated  {times} dates x {bands} bands x {height} x {width} pixels, {100 * seen:.0f} % of them observed")
    for method in METHODS:
        output = folder / ("filled.zarr" if method == SHOWN else f"{method}.zarr")
        start = time.perf_counter()
        request = FillRequest((str(folder / "cloudy.zarr"),), output, method, {"mask": "observed"})
        fill_files(request, lambda phase, done, total: None)
        say(f"{method:<10} {scores_of(output, cube)}   ({time.perf_counter() - start:.1f} s)")
    sources, inputs = (str(folder / "filled.zarr"),), (str(folder / "cloudy.zarr"),)
    plot_files(PlotRequest(sources, folder / "filled.png", inputs=inputs, dates=8, opening={"mask": "observed"}))
    say("")
    for name, what in (
        ("cloudy.zarr", "the input, with its truth"),
        ("filled.zarr", SHOWN),
        ("filled.png", "drawn"),
    ):
        say(f"{folder / name}  ({what})")


def simulated(path: Path) -> xr.Dataset:
    """Write a cloudy cube with its truth and return it."""
    four = tuple(SENTINEL2_BANDS[name] for name in ("B02", "B03", "B04", "B08"))
    config = random_config(np.random.default_rng(SEED), height=256, width=256, n_dates=24, bands=four)
    cube = to_cube(simulate(config, SEED), config.pixel_size)
    cube.to_zarr(path, zarr_format=2)
    return cube


def scores_of(output: Path, cube: xr.Dataset) -> str:
    """Errors of a filled cube where nothing was observed, against what a clear sky would have shown."""
    with xr.open_zarr(output) as filled:
        filled = filled.load()
        hidden = ~cube["observed"].values
        scores = score_hidden(filled["reflectance"], cube["truth"], hidden)
        error = np.abs(filled["reflectance"] - cube["truth"]).values
        inside = error <= NORMAL_90 * filled["reflectance_std"].values
    covered = inside[np.broadcast_to(hidden[:, None], inside.shape)].mean()
    return (
        f"PSNR {scores['psnr']:.2f} dB, MAE {scores['mae']:.4f}, RMSE {scores['rmse']:.4f}, "
        f"90 % interval covers {100 * covered:.1f} %"
    )


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
