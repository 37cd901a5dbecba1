"""Episodes made ready to learn from: contexts filled in several ways beforehand, kept in files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.checksums import sha256_of
from clearcube.cores import usable_cores
from clearcube.cube import day_of_year, red_and_near_infrared
from clearcube.errors import InputError
from clearcube.forecasting.contexts import filled_context
from clearcube.forecasting.episode import Episode
from clearcube.forecasting.simulated import simulate_with_truth
from clearcube.forecasting.weather import VARIABLES, network_weather, relative_elevation
from clearcube.parallel import in_parallel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.filler import Block, Filler

    Fillers = Mapping[str, Filler | None]

SHARD = 20
"""Episodes in a file."""
FORMAT = 2
"""Of the files, what they hold; others are made again."""


@dataclass(frozen=True)
class PackedEpisodes:
    """N episodes of T context and Th target dates, F fillings, S x S pixels.

    red_nir : (N, F, T, 2, S, S) float16 reflectance, NaN = no value.
    observed : (N, F, T, S, S) bool, what each filling kept of what was observed.
    days : (N, T) int16 up to the last date of the context. day_of_year : (N,) int16 of that date.
    target : (N, Th, S, S) float16 NDVI, NaN = unknown. leads : (N, Th) int16 days.
    weather : (N, T + steps, 3) float32 as the network is given it, NaN = unknown.
    elevation : (N, S, S) float32 as the network is given it.
    """

    red_nir: NDArray[np.float16]
    observed: NDArray[np.bool_]
    days: NDArray[np.int16]
    day_of_year: NDArray[np.int16]
    target: NDArray[np.float16]
    leads: NDArray[np.int16]
    weather: NDArray[np.float32]
    elevation: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.days)


@dataclass(frozen=True)
class ForecastData:
    """What is learnt from and judged by.

    train : packs, each with its share of the samples. validation : filled by `fills`, in this order.
    episodes : how many there are of each kind. files : name -> sha256 of every file that was read.
    """

    train: tuple[tuple[PackedEpisodes, float], ...]
    validation: PackedEpisodes
    fills: tuple[str, ...]
    episodes: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def joined(parts: Sequence[PackedEpisodes]) -> PackedEpisodes:
    """All episodes of several packs."""
    return PackedEpisodes(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(PackedEpisodes)))


def packed(
    episode: Episode, target: NDArray[np.float32], fillers: Fillers, *, step_days: int, steps: int
) -> PackedEpisodes:
    """One episode, filled by each filler (None: not at all); target (Th, H, W) is the NDVI to learn.

    A context that a filler cannot fill, for too little is observed, counts unfilled in its place.
    """
    context = episode.context
    filled = [_filled(context, filler) for filler in fillers.values()]
    last = context.dates[-1]
    count = len(context.dates) + steps
    weather = np.full((count, len(VARIABLES)), np.nan, np.float32)
    if episode.weather is not None and set(VARIABLES) <= set(episode.weather.names):
        horizon = episode.target_dates[-1]
        weather = network_weather(episode.weather, context.dates, horizon, step_days=step_days, steps=steps)
    return PackedEpisodes(
        red_nir=np.stack([_red_nir(each) for each in filled])[None].astype(np.float16),
        observed=np.stack([each.observed for each in filled])[None],
        days=(context.dates - last).astype(np.int16)[None],
        day_of_year=np.array([day_of_year(last)], np.int16),
        target=target[None].astype(np.float16),
        leads=episode.leads.astype(np.int16)[None],
        weather=weather[None],
        elevation=relative_elevation(episode.elevation, target.shape[1:])[None],
    )


def _filled(context: Block, filler: Filler | None) -> Block:
    try:
        return filled_context(context, filler)
    except InputError:
        return filled_context(context, None)


def _red_nir(context: Block) -> NDArray[np.float32]:
    pair = red_and_near_infrared([band.name for band in context.bands])
    return np.asarray(np.clip(context.reflectance[:, list(pair)], -1, 2))


def simulated_pack(
    folder: Path,
    seeds: range,
    size: int,
    fillers: Fillers,
    *,
    step_days: int,
    steps: int,
    report: Callable[[int, int], None] = lambda done, of: None,
) -> PackedEpisodes:
    """Episodes of simulated places of training; read from the folder as far as they are there already.

    They learn from the NDVI of a clear observation at every pixel and date. The folder's files belong to one set of
    fillers and sizes; others lie beside them. As many files are made at once as there are cores.
    """
    key = _key(size, fillers, step_days, steps)
    shards = [range(first, min(first + SHARD, seeds.stop)) for first in range(seeds.start, seeds.stop, SHARD)]
    paths = {shard: folder / f"simulated-{key}-{shard.start}-{shard.stop}.npz" for shard in shards}

    def made(shard: range) -> int:
        if not paths[shard].exists():
            _write(paths[shard], joined(list(_simulated(shard, size, fillers, step_days, steps))))
        return len(shard)

    done = 0
    for count in in_parallel(made, shards, usable_cores()):
        done += count
        report(done, len(seeds))
    return joined([_read(path) for path in paths.values()])


def _simulated(seeds: range, size: int, fillers: Fillers, step_days: int, steps: int) -> Iterator[PackedEpisodes]:
    for seed in seeds:
        made = simulate_with_truth(seed, size=size)
        target = made.clear_ndvi[len(made.episode.context.dates) :]
        yield packed(made.episode, target, fillers, step_days=step_days, steps=steps)


def _key(size: int, fillers: Fillers, step_days: int, steps: int) -> str:
    """What the files were made with, in a few letters."""
    plain = [FORMAT, size, step_days, steps, [[name, _settings(filler)] for name, filler in fillers.items()]]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:8]


def _settings(filler: Filler | None) -> dict[str, str]:
    """A filler's settings, with the content of files in place of their names."""
    values: dict[str, Any] = vars(filler) if hasattr(filler, "__dict__") else {}
    if (inner := values.get("filler")) is not None:
        return {"by": type(filler).__name__, **_settings(inner)}
    texts = {name: str(value) for name, value in values.items()}
    return {name: sha256_of(text) if Path(text).is_file() else text for name, text in texts.items()}


def _write(path: Path, pack: PackedEpisodes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial.npz")  # runs may share the folder
    try:
        np.savez(partial, **{f.name: getattr(pack, f.name) for f in fields(PackedEpisodes)})
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path) -> PackedEpisodes:
    with np.load(path, allow_pickle=False) as arrays:
        return PackedEpisodes(*(arrays[f.name] for f in fields(PackedEpisodes)))
