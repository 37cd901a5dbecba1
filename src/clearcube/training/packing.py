"""The real cubes of a run: read from any format, or from one compact file that needs no reader."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.checksums import sha256_of
from clearcube.cube import OPTICAL_NM, Band, bands_of, dates_of, elevation_of
from clearcube.errors import DAMAGED_ARCHIVE, InputError
from clearcube.filler import Block
from clearcube.training.names import distinct_names, distinct_stems
from clearcube.training.validation import NamedBlock

if TYPE_CHECKING:
    from clearcube.training.config import TrainingConfig
    from clearcube.training.cube_sources import CubeSource

HEADER = "clearcube_training_data"
ROLES = ("train", "validation")
NO_VALUE = -32768
DAMAGED = (*DAMAGED_ARCHIVE, IndexError, AttributeError, AssertionError)
"""What reading a file raises that is cut off, changed, or of another kind."""


@dataclass(frozen=True)
class TrainingData:
    """Real cubes in memory.

    files : name -> sha256 of every file that was read. sources : what the configuration named, by role; None = unknown.
    """

    train: tuple[NamedBlock, ...] = ()
    validation: tuple[NamedBlock, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Any] | None = None


def gathered(config: TrainingConfig) -> TrainingData:
    """Read all cubes of a configuration.

    Raises
    ------
    InputError : nothing matches a path, a file is on the list of test files, a cube cannot be read or used, or is to
        train and to validate (parts of it, by `bbox` or `time`, may, where no pixel of one date is in both).
    """
    found = {role: _found(getattr(config, role)) for role in ROLES}
    names = distinct_names(path for each in found.values() for source, cube in each for path in (cube, *beside(source)))
    read: dict[str, str] = {}
    content: dict[Path, frozenset[str]] = {}
    places: dict[Path, set[str]] = {}
    for role, cubes in found.items():
        for source, cube in cubes:
            for path in (cube, *beside(source)):
                sums = _checked_sums(path, names[path], role)
                read |= sums
                content[path] = frozenset(sums.values())
                places[path] = {os.path.realpath(file) for file in _files_of(path)}
    train, validation = (_opened_all(found[role]) for role in ROLES)
    for judge in validation:
        for part in train:
            same = content[judge.path] == content[part.path] or places[judge.path] & places[part.path]
            if same and judge.shares(part):
                raise InputError(
                    f"{judge.path} is to train and to validate; what trains cannot judge: take it out of one, or give "
                    "each a part of it with bbox or time"
                )
    return TrainingData(
        tuple(part.cube for part in train), tuple(part.cube for part in validation), read, sources_of(config)
    )


def sources_of(config: TrainingConfig) -> dict[str, Any]:
    """What a configuration names by role, as plain values."""
    return {role: config.plain()[role] for role in ROLES}


def check_sources(data: TrainingData, config: TrainingConfig) -> None:
    """Whether packed cubes are those that the configuration names.

    Raises
    ------
    InputError : they are others.
    """
    if data.sources is not None and data.sources != sources_of(config):
        raise InputError(
            "the file of training data was made for other cubes than the configuration names under [[train]] and "
            "[[validation]]; make it again with 'clearcube pack CONFIG DATA'"
        )


@dataclass(frozen=True)
class _Part:
    """A cube that was read: y, x are its smallest and largest coordinates."""

    path: Path
    cube: NamedBlock
    y: tuple[float, float]
    x: tuple[float, float]

    def shares(self, other: _Part) -> bool:
        """Whether two parts of one cube have a pixel on a date in common."""
        dates = np.intersect1d(self.cube.block.dates, other.cube.block.dates)
        sides = ((self.y, other.y), (self.x, other.x))
        return bool(dates.size) and all(max(a[0], b[0]) <= min(a[1], b[1]) for a, b in sides)


def inputs_of(config: TrainingConfig) -> list[Path]:
    """All files and folders that `gathered` reads.

    Raises
    ------
    InputError : nothing is at a path.
    """
    found = [pair for role in ROLES for pair in _found(getattr(config, role))]
    return [path for source, cube in found for path in (cube, *beside(source))]


def _found(sources: Sequence[CubeSource]) -> list[tuple[CubeSource, Path]]:
    return [(source, path) for source in sources for path in matches(source.path)]


def _opened_all(found: Sequence[tuple[CubeSource, Path]]) -> list[_Part]:
    names, times, parts = distinct_stems(path for _, path in found), Counter[Path](), []
    for source, path in found:
        times[path] += 1
        number = f"#{times[path]}" if times[path] > 1 else ""  # another part of the same cube
        parts.append(_opened(path, source.options, f"{names[path]}{number}"))
    return parts


def matches(pattern: str) -> list[Path]:
    """Cubes that a path stands for: itself, what a pattern matches, or the stores and npz files that a folder holds.

    Any other folder (rasters, a product) is one cube, and so is a Zarr store of any name.

    Raises
    ------
    InputError : nothing is there, or it is no file or folder of this machine.
    """
    from clearcube.readers.sources import expand, is_url

    if is_url(pattern):
        raise InputError(f"{pattern}: training reads files of this machine, and records them; download it first")
    return [cube for path in expand(pattern) for cube in _within(Path(path))]


def _within(path: Path) -> list[Path]:
    """The Zarr stores in a folder, whatever they are called; without any, the path itself."""
    from clearcube.readers.sources import is_zarr

    if not path.is_dir() or is_zarr(str(path)):
        return [path]
    return sorted(each for each in path.iterdir() if each.is_dir() and is_zarr(str(each))) or [path]


def beside(source: CubeSource) -> list[Path]:
    """Other files that are read with a source's cubes: its mask, its land cover and its calendar."""
    from clearcube.readers.mask_spec import MaskSpec
    from clearcube.readers.sources import expand

    mask, *others = (source.options.get(name) for name in ("mask", "landcover", "dates"))
    spec = MaskSpec.parse(mask) if isinstance(mask, str) else mask
    named = [place for place in (spec.file if spec else None, *others) if isinstance(place, str)]
    return [Path(path) for place in named for path in expand(place)]


def _checked_sums(path: Path, name: str, role: str) -> dict[str, str]:
    """Name -> sha256 of the file, or of every file in the folder; refuses those on the shipped list of test files."""
    sums = {}
    for each in _files_of(path):
        digest = sha256_of(each)
        inside = each.relative_to(path).as_posix()
        key = name if each == path else f"{name}/{inside}"
        sums[key] = digest
        _refuse_tests({str(each): digest}, f"take it out of '{role}'")
    return sums


def _files_of(path: Path) -> list[Path]:
    """The file, or every file in the folder and in those that it links to."""
    from clearcube.readers.sources import folders_below

    if not path.is_dir():
        return [path]
    return [Path(folder, name) for folder, names in folders_below(str(path)) for name in names]


def _refuse_tests(sums: Mapping[str, str], advice: str) -> None:
    """Refuse files on the shipped list of those that only measure."""
    tests = test_sums()
    for name, digest in sums.items():
        if digest in tests:
            raise InputError(f"{name} is a held-out test file ({tests[digest]}); {advice}")


def test_sums() -> dict[str, str]:
    """sha256 -> name of the files that may neither train nor choose."""
    text = files("clearcube.training").joinpath("test_files.txt").read_text(encoding="utf-8")
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#"))
    return {digest: name for digest, name in pairs}


def _opened(path: Path, options: Mapping[str, Any], name: str) -> _Part:
    """A cube of any format in memory, if it can be trained on."""
    from clearcube.fill_cube.survey import check_reflectance
    from clearcube.readers.open import open_cube

    cube = open_cube(str(path), **options).load()
    block = Block(cube["reflectance"].values, cube["observed"].values, dates_of(cube), bands_of(cube))
    check_reflectance(block.reflectance, block.observed, str(path), "{} = {}")
    y, x = ((float(cube[side].min()), float(cube[side].max())) for side in ("y", "x"))
    return _Part(path, NamedBlock(name, _usable(block, path), elevation_of(cube)), y, x)


def _usable(block: Block, path: Path | str) -> Block:
    """The block, if its bands have wavelengths and something is observed."""
    for band in block.bands:
        if not band.optical:
            raise InputError(
                f"{path}: band '{band.name}' has the centre wavelength {band.wavelength} nm; training needs optical "
                f"bands from {OPTICAL_NM[0]:.0f} to {OPTICAL_NM[1]:.0f} nm. Name them by their common names, or choose "
                "with the option 'bands'"
            )
    if not block.observed.any():
        raise InputError(f"{path}: nothing is observed in this cube; check its mask")
    return block


def write_pack(path: str | Path, data: TrainingData) -> None:
    """Write cubes into one compact file: reflectance as int16 of 1/10000, clipped to +-3.2767, or `NO_VALUE`.

    Elevation, which training does not use, is left out.
    """
    arrays: dict[str, Any] = {}
    header: dict[str, Any] = {"files": dict(data.files), "sources": data.sources, "train": [], "validation": []}
    for role in ROLES:
        for i, cube in enumerate(getattr(data, role)):
            block, key = cube.block, f"{role}{i}"
            scaled = np.clip(np.round(block.reflectance * np.float32(1e4)), -32767, 32767)
            arrays[f"{key}_reflectance"] = np.where(np.isnan(scaled), NO_VALUE, scaled).astype(np.int16)
            arrays[f"{key}_observed"] = np.packbits(block.observed)
            arrays[f"{key}_dates"] = block.dates.astype(np.int64)
            bands = [[band.name, band.wavelength] for band in block.bands]
            header[role].append({"name": cube.name, "bands": bands})
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial.npz")
    arrays[HEADER] = np.array(json.dumps(header))
    try:
        np.savez_compressed(partial, **arrays)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def read_pack(path: str | Path) -> TrainingData:
    """Read what `write_pack` wrote.

    Raises
    ------
    InputError : no such file, one that is damaged or of another kind, or it was made of a file on the list of test
        files.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            header = json.loads(str(arrays[HEADER]))
            read = {str(name): str(digest) for name, digest in header["files"].items()}
            train, validation = (
                tuple(_unpacked(arrays, role, i, each) for i, each in enumerate(header[role])) for role in ROLES
            )
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make it with 'clearcube pack CONFIG DATA'") from None
    except DAMAGED as error:
        raise InputError(
            f"{path}: not a complete file of training data ({str(error) or type(error).__name__}); make it again with "
            "'clearcube pack CONFIG DATA'"
        ) from None
    _refuse_tests(read, f"{path} was made of it: take it out of the configuration, and pack again")
    for cube in (*train, *validation):
        _usable(cube.block, f"{path}, {cube.name}")
    return TrainingData(train, validation, read, header.get("sources"))


def _unpacked(arrays: Any, role: str, i: int, entry: Mapping[str, Any]) -> NamedBlock:
    scaled = arrays[f"{role}{i}_reflectance"]
    reflectance = np.where(scaled == NO_VALUE, np.float32(np.nan), scaled * np.float32(1e-4)).astype(np.float32)
    shape = (scaled.shape[0], *scaled.shape[2:])
    observed = np.unpackbits(arrays[f"{role}{i}_observed"], count=int(np.prod(shape))).astype(bool).reshape(shape)
    dates = arrays[f"{role}{i}_dates"].astype("datetime64[D]")
    bands = tuple(Band(str(name), float(nm)) for name, nm in entry["bands"])
    return NamedBlock(str(entry["name"]), Block(reflectance, observed, dates, bands))
