"""The engine on cubes larger than memory: peak memory, bytes decoded, rate.

    python -m benchmarks.bench_engine [--side 4096] [--twice] [--folder FOLDER]

Makes Zarr cubes of 30 dates, 4 bands and side x side pixels, once in time-deep chunks and once in one chunk for each
date and 2048 x 2048 pixels, and fills each to Zarr in a process of its own. `--twice` repeats it on twice the area.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

TIMES, BANDS = 30, 4
LAYOUTS = {"time-deep": (TIMES, BANDS, 256, 256), "one chunk a date": (1, BANDS, 2048, 2048)}
MASK_LAYOUTS = {"time-deep": (TIMES, 256, 256), "one chunk a date": (1, 2048, 2048)}


def make_cube(path: Path, height: int, width: int, layout: str) -> None:
    """A cloudy cube with values of four decimals, written chunk by chunk."""
    import dask.array as da
    import xarray as xr

    rng = np.random.default_rng(0)
    tile = np.round(rng.uniform(0.02, 0.4, (BANDS, 256, 256)), 4).astype(np.float32)
    clouds = np.kron(rng.random((TIMES, 8, 8)) > 0.4, np.ones((32, 32), dtype=bool))

    def values(block_info: dict) -> np.ndarray:  # type: ignore[type-arg]
        (first, last), _, rows, columns = block_info[None]["array-location"]
        copies = (1, -(-(rows[1] - rows[0]) // 256), -(-(columns[1] - columns[0]) // 256))
        season = 1 + 0.3 * np.sin(np.arange(first, last) / 5)
        repeated = np.tile(tile, copies)[:, : rows[1] - rows[0], : columns[1] - columns[0]]
        return np.round(season[:, None, None, None] * repeated, 4).astype(np.float32)

    def seen(block_info: dict) -> np.ndarray:  # type: ignore[type-arg]
        (first, last), rows, columns = block_info[None]["array-location"]
        copies = (1, -(-(rows[1] - rows[0]) // 256), -(-(columns[1] - columns[0]) // 256))
        return np.tile(clouds[first:last], copies)[:, : rows[1] - rows[0], : columns[1] - columns[0]]

    def chunked(shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        return da.core.normalize_chunks(size, shape)

    shape = (TIMES, BANDS, height, width)
    reflectance = da.map_blocks(values, chunks=chunked(shape, LAYOUTS[layout]), dtype=np.float32)
    mask_shape = (TIMES, height, width)
    observed = da.map_blocks(seen, chunks=chunked(mask_shape, MASK_LAYOUTS[layout]), dtype=bool)
    dates = np.datetime64("2021-01-01", "ns") + np.arange(TIMES) * np.timedelta64(10, "D")
    cube = xr.Dataset(
        {"reflectance": (("time", "band", "y", "x"), reflectance), "observed": (("time", "y", "x"), observed)},
        {
            "time": dates,
            "band": ["blue", "green", "red", "nir"],
            "y": 5_600_000 - 10.0 * np.arange(height),
            "x": 500_000 + 10.0 * np.arange(width),
        },
    )
    cube.to_zarr(path, zarr_format=2)


CHILD = """
import json, sys, threading, warnings
from collections import Counter
from pathlib import Path
warnings.simplefilter("ignore")
import zarr
reads, lock = Counter(), threading.Lock()
original = zarr.storage.LocalStore.get
source = Path(sys.argv[1])
async def counted(self, key, *args, **kwargs):
    found = await original(self, key, *args, **kwargs)
    name = key.rsplit("/", 1)[-1]
    if found is not None and not name.startswith((".z", "zarr")) and "input.zarr" not in str(self.root):
        if Path(self.root) == source or source in Path(self.root).parents:
            with lock:
                reads[key] += 1
    return found
zarr.storage.LocalStore.get = counted
from clearcube.workflows.fill import FillRequest, fill_files
request = FillRequest((sys.argv[1],), Path(sys.argv[2]), "linear", {"mask": "observed"})
fill_files(request, lambda phase, done, total: None)
big = {key: count for key, count in reads.items() if key.startswith(("reflectance", "observed"))}
print(json.dumps({"chunks": len(big), "most": max(big.values())}))
"""


def run(source: Path, output: Path) -> dict[str, float]:
    """Fill in a process of its own; peak memory in GB, seconds, and how often the most read chunk was read."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(source), str(output)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    printed = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"the fill of {source} failed")
    found = json.loads(printed)
    return {"peak": usage.ru_maxrss / 1e6, "seconds": time.perf_counter() - start, "reads": found["most"]}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--side", type=int, default=4096)
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(mkdtemp())
    print("| chunks | pixels | cube | peak memory | reads of a chunk, at most | rate |\n|---|---|---|---|---|---|")
    for layout in LAYOUTS:
        for width in (arguments.side, 2 * arguments.side) if arguments.twice else (arguments.side,):
            source, output = folder / "cube.zarr", folder / "filled.zarr"
            make_cube(source, arguments.side, width, layout)
            found = run(source, output)
            pixels = TIMES * arguments.side * width
            size, rate = 4 * BANDS * pixels / 1e9, pixels / found["seconds"] / 1e6
            print(
                f"| {layout} | {arguments.side} x {width} | {size:.1f} GB | {found['peak']:.2f} GB | "
                f"{found['reads']} | {rate:.1f} million pixel-frames/s |",
                flush=True,
            )
            shutil.rmtree(source)
            shutil.rmtree(output)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
