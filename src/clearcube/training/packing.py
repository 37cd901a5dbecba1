"""The real cubes of a run: read from any format, or from one compact file that needs no reader."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.networks.spectral import LIMITS_NM
from clearcube.training.validation import NamedBlock

if TYPE_CHECKING:
    from clearcube.training.config import CubeSource, TrainingConfig

HEADER = "clearcube_training_data"


@dataclass(frozen=True)
class TrainingData:
    """Real cubes in memory.

    files : name -> sha256 of every file that was read.
    """

    train: tuple[NamedBlock, ...] = ()
    validation: tuple[NamedBlock, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def gathered(config: TrainingConfig) -> TrainingData:
    """Read all cubes of a configuration.

    Raises
    ------
    InputError : nothing matches a path, a file is on the list of test files, a cube cannot be read or used.
    """
    read: dict[str, str] = {}
    blocks = {role: _read_role(getattr(config, role), role, read) for role in ("train", "validation")}
    return TrainingData(blocks["train"], blocks["validation"], read)


def _read_role(sources: Sequence[CubeSource], role: str, read: dict[str, str]) -> tuple[NamedBlock, ...]:
    found = []
    for source in sources:
        paths = matches(source.path)
        for path in paths:
            read |= _checked_sums([path, *_mask_file(source)], role)
            found.append(NamedBlock(path.stem, _usable(_opened(path, source.options), path)))
    return tuple(found)


def matches(pattern: str) -> list[Path]:
    """Files and stores that a path stands for: itself, what a pattern matches, or what a folder holds.

    Raises
    ------
    InputError : nothing.
    """
    path = Path(pattern)
    if path.is_dir() and path.suffix != ".zarr":
        found = sorted(each for each in path.iterdir() if not each.name.startswith("."))
        if not found:
            raise InputError(f"{pattern}: an empty folder; put cubes into it or name another one")
        return found
    found = sorted(map(Path, glob(pattern, recursive=True)))
    if not found:
        raise InputError(f"{pattern}: no such file or folder, and nothing matches it as a pattern")
    return found


def _mask_file(source: CubeSource) -> list[Path]:
    """The file that the mask comes from, where it is another one."""
    mask = source.options.get("mask")
    name = mask.rpartition(":")[0] if isinstance(mask, str) else ""
    return [Path(name)] if name and Path(name).exists() else []


def _checked_sums(paths: Sequence[Path], role: str) -> dict[str, str]:
    """Name -> sha256 of every file; refuses those on the shipped list of test files."""
    sums = {}
    tests = test_sums()
    for path in paths:
        for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if each.is_file():
                digest = hashlib.sha256(each.read_bytes()).hexdigest()
                if digest in tests:
                    raise InputError(
                        f"{each} is one of the files that only measure ({tests[digest]}); take it out of '{role}'"
                    )
                sums[str(each.relative_to(path.parent))] = digest
    return sums


def test_sums() -> dict[str, str]:
    """sha256 -> name of the files that may neither train nor choose."""
    text = files("clearcube.training").joinpath("test_files.txt").read_text(encoding="utf-8")
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line and not line.startswith("#"))
    return {digest: name for digest, name in pairs}


def _opened(path: Path, options: Mapping[str, Any]) -> Block:
    """A cube of any format as a block in memory."""
    from clearcube.cube import bands_of, dates_of
    from clearcube.readers.open import open_cube

    cube = open_cube(str(path), **options).load()
    return Block(cube["reflectance"].values, cube["observed"].values, dates_of(cube), bands_of(cube))


def _usable(block: Block, path: Path) -> Block:
    """The block, if its bands have wavelengths and something is observed."""
    for band in block.bands:
        if not LIMITS_NM[0] <= band.wavelength <= LIMITS_NM[1]:
            raise InputError(
                f"{path}: band '{band.name}' has the centre wavelength {band.wavelength} nm; training needs optical "
                f"bands from {LIMITS_NM[0]:.0f} to {LIMITS_NM[1]:.0f} nm. Name them by their common names, or choose "
                "with the option 'bands'"
            )
    if not block.observed.any():
        raise InputError(f"{path}: nothing is observed in this cube; check its mask")
    return block


def write_pack(path: str | Path, data: TrainingData) -> None:
    """Write cubes into one compact file: reflectance as int16 of 1/10000, -32768 = no value."""
    arrays: dict[str, Any] = {}
    header: dict[str, Any] = {"files": dict(data.files), "train": [], "validation": []}
    for role in ("train", "validation"):
        for i, cube in enumerate(getattr(data, role)):
            block, key = cube.block, f"{role}{i}"
            scaled = np.clip(np.round(np.nan_to_num(block.reflectance, nan=-9) * 1e4), -32768, 32767)
            arrays[f"{key}_reflectance"] = scaled.astype(np.int16)
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
    InputError : no such file, or another kind of file.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header = json.loads(str(arrays[HEADER]))
            cubes = {
                role: tuple(_unpacked(arrays, role, i, each) for i, each in enumerate(header[role]))
                for role in ("train", "validation")
            }
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make it with 'clearcube pack CONFIG DATA'") from None
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path}: not a file of training data ({error}); make it with 'clearcube pack'") from None
    return TrainingData(cubes["train"], cubes["validation"], header["files"])


def _unpacked(arrays: Any, role: str, i: int, entry: Mapping[str, Any]) -> NamedBlock:
    from clearcube.cube import Band

    scaled = arrays[f"{role}{i}_reflectance"]
    reflectance = np.where(scaled == -32768, np.float32(np.nan), scaled * np.float32(1e-4)).astype(np.float32)
    shape = (scaled.shape[0], *scaled.shape[2:])
    observed = np.unpackbits(arrays[f"{role}{i}_observed"], count=int(np.prod(shape))).astype(bool).reshape(shape)
    dates = arrays[f"{role}{i}_dates"].astype("datetime64[D]")
    bands = tuple(Band(str(name), float(nm)) for name, nm in entry["bands"])
    return NamedBlock(str(entry["name"]), Block(reflectance, observed, dates, bands))
