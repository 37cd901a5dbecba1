"""How real simulated scenes look, beside the real cubes of the roles train and validation.

Run: `python -m benchmarks.bench_realism [--scenes 60] [--no-classifier]`. What interpolation between clear frames does
not foresee and what it is made of, spatial spectra, clouds and gaps, rates of change; and how well a small network
tells patches of 32 x 32 pixels and 6 dates of a real cube that it has not seen from simulated ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.realism import (
    anomaly_table,
    clear_run_lengths,
    rates_of_change,
    spatial_correlation,
    spatial_spectrum,
)
from benchmarks.realism_classifier import held_out, patches_of, without_place
from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import EARTHNET_FOUR, SENTINEL2_FOUR
from clearcube.training.config import read_config
from clearcube.training.packing import gathered, read_pack
from clearcube.training.pictures import write_png
from clearcube.training.validation import NamedBlock

CONFIG = Path(__file__).parents[1] / "configs" / "seq2seq.toml"
SIZE, DATES = 96, 24
PATCHES = 60
Row = list[NDArray[np.float64]]


def real_cubes(pack: str | None) -> list[NamedBlock]:
    """The real cubes of the roles train and validation; none where they are not here."""
    try:
        data = read_pack(pack) if pack else gathered(read_config(CONFIG))
    except InputError as error:
        print(f"without real cubes: {error}")
        return []
    return [*data.train, *data.validation]


def simulated_cubes(count: int) -> list[NamedBlock]:
    """Scenes as they are drawn for training, four bands."""
    cubes = []
    for seed in range(count):
        bands = SENTINEL2_FOUR if seed % 2 else EARTHNET_FOUR
        config = random_config(np.random.default_rng(seed), height=SIZE, width=SIZE, n_dates=DATES, bands=bands)
        scene = simulate(config, seed)
        cubes.append(NamedBlock(f"scene {seed}", scene.block))
    return cubes


def anomalies(block: Block) -> Row | None:
    """Frames and distance; RMS; std of the frame mean; shares; white share; gains; correlations of frame means."""
    table = anomaly_table(block.reflectance, block.observed, block.dates)
    if table is None or table.frames < 4:
        return None
    pairs = table.correlation[[0, 2, 3], [1, 1, 2]]
    return [
        np.array([table.frames, table.distance]), table.rms * 1e3, table.frame_mean_std * 1e3,
        table.shares.mean(axis=1), np.array([table.white.mean()]), table.gains, pairs,
    ]  # fmt: skip


def texture(block: Block) -> Row | None:
    """Spectrum of red and near infrared; correlation of red at 1, 2, 4, 8, 16 pixels."""
    if not (block.observed.mean(axis=(1, 2)) > 0.95).any():
        return None
    spectrum = spatial_spectrum(block.reflectance, block.observed)
    return [spectrum[:, 2], spectrum[:, 3], spatial_correlation(block.reflectance, block.observed)[:, 2]]


def skies(block: Block) -> Row | None:
    """Share observed; shares of dates clear, partly and wholly covered; gaps; change for a root of days, x 1000."""
    share = block.observed.mean(axis=(1, 2))
    clear, covered = (share > 0.95).mean(), (share < 0.05).mean()
    gaps = clear_run_lengths(block.observed, block.dates)
    quantiles = np.quantile(gaps, [0.5, 0.9]) if gaps.size else np.full(2, np.nan)
    enough = (share > 0.95).sum() > 1
    rates = rates_of_change(block.reflectance, block.observed, block.dates) if enough else np.full(4, np.nan)
    return [np.array([share.mean()]), np.array([clear, 1 - clear - covered, covered]), quantiles, rates * 1e3]


TABLES: dict[str, tuple[Callable[[Block], Row | None], str, tuple[int, ...]]] = {
    "The error of linear interpolation at clear frames": (
        anomalies,
        "frames, mean days | RMS x 1000 (blue, green, red, NIR) | std of frame mean x 1000 | share of MSE: frame "
        "mean / classes / smooth field / rest | of it white | gain if known: mean / + class / + smooth, dB | "
        "correlation of frame means: blue-green, red-green, NIR-red",
        (1, 1, 1, 2, 2, 1, 2),
    ),
    "Texture of clear frames": (
        texture,
        "variance of red at 32-16 / 16-8 / 8-4 / 4-2 pixels | of near infrared | correlation of red at 1 / 2 / 4 / 8 / "
        "16 pixels",
        (2, 2, 2),
    ),
    "Clouds, gaps and change": (
        skies,
        "observed | dates clear / partly / wholly covered | gap, days: median / 90 % | change for a root of days x "
        "1000 (blue, green, red, NIR)",
        (2, 2, 0, 1),
    ),
}
"""Title -> what a row is made of, heads of its columns, digits."""


def written(name: str, row: Row, digits: Sequence[int]) -> str:
    """A row in Markdown."""
    cells = (" / ".join(f"{x:.{d}f}" for x in values) for values, d in zip(row, digits, strict=True))
    return f"| {name} | " + " | ".join(cells) + " |"


def table(title: str, real: Sequence[NamedBlock], simulated: Sequence[NamedBlock]) -> str:
    """A row for each real cube, and quartiles over the simulated ones."""
    measure, heads, digits = TABLES[title]
    lines = [f"\n### {title}\n", f"| cube | {heads} |", "|---" * (len(digits) + 1) + "|"]
    rows = [(cube.name, measure(cube.block)) for cube in real]
    lines += [written(name, row, digits) for name, row in rows if row is not None]
    found = [row for cube in simulated if (row := measure(cube.block)) is not None]
    columns = [np.array(column) for column in zip(*found, strict=True)]
    for quantile, name in ((0.25, "lower quartile"), (0.5, "median"), (0.75, "upper quartile")):
        row = [np.nanquantile(column, quantile, axis=0) for column in columns]
        lines.append(written(f"simulated, {name} of {len(found)}", row, digits))
    return "\n".join(lines)


def classified(real: Sequence[NamedBlock], simulated: Sequence[NamedBlock]) -> str:
    """AUC for each real cube, of patches as they are and without what tells the place."""
    parts = [
        [patches_of(c.name, c.block.reflectance, c.block.observed, PATCHES, i) for i, c in enumerate(cubes)]
        for cubes in (real, simulated)
    ]
    mine, theirs = ([part for part in each if len(part.values) >= PATCHES // 4] for each in parts)
    plain = held_out(mine, theirs)
    shapes = held_out(*([p._replace(values=without_place(p.values)) for p in each] for each in (mine, theirs)))
    lines = [
        "\n### How well a small network tells real from simulated patches\n",
        "| held-out cube | AUC, patches as they are | AUC, mean and spread of each band taken out |\n|---|---|---|",
    ]
    lines += [f"| {name} | {plain[name]:.2f} | {shapes[name]:.2f} |" for name in plain]
    means = (float(np.mean(list(found.values()))) for found in (plain, shapes))
    lines.append("| mean | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    left_out = len(real) - len(mine)
    lines.append(f"\n{len(theirs)} simulated cubes; {left_out} real ones have too few clear patches.")
    return "\n".join(lines)


def drawn(cubes: Sequence[NamedBlock], dates: int = 8, side: int = 64) -> NDArray[np.uint8]:
    """A row for each cube: its first dates side by side in true colours, (rows x side, dates x side, 3)."""
    rows = []
    for cube in cubes:
        part = cube.block.reflectance[:dates, 2::-1, :side, :side]  # red, green, blue
        clear = np.where(cube.block.observed[:dates, None, :side, :side], part, np.nan)
        top = np.nanpercentile(clear, 99) if np.isfinite(clear).any() else 0.3
        tiles = np.nan_to_num(np.clip(part / top, 0, 1)) ** 0.8 * 255
        tiles = np.pad(tiles, [(0, 0), (0, 0), *((0, side - n) for n in tiles.shape[2:])])
        rows.append(np.concatenate(list(tiles), axis=2))
    return np.ascontiguousarray(np.moveaxis(np.concatenate(rows, axis=1), 0, -1).astype(np.uint8))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=60)
    parser.add_argument("--no-classifier", action="store_true")
    parser.add_argument("--pack", help="file of 'clearcube pack' with the real cubes, instead of reading them")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of real and of simulated cubes")
    given = parser.parse_args()
    real, simulated = real_cubes(given.pack), simulated_cubes(given.scenes)
    if given.pictures:
        for name, cubes in (("real", real), ("simulated", simulated[:10])):
            write_png(given.pictures / f"{name}-scenes.png", drawn(cubes))
    for title in TABLES:
        print(table(title, real, simulated), flush=True)
    if real and not given.no_classifier:
        print(classified(real, simulated), flush=True)


if __name__ == "__main__":
    main()
