"""Training from a configuration, and packing its cubes for another machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def train_network(config: Path, report: Callable[[dict[str, Any]], None], *, resume: bool = False) -> Path:
    """Train as the configuration says; returns the folder with state, log and weights.

    report : called with every record of the log.

    Raises
    ------
    InputError : the configuration or a cube cannot be used, a test file is among them, the loss is not finite.
    """
    from clearcube.training.config import read_config
    from clearcube.training.loop import train
    from clearcube.training.packing import gathered

    settings = read_config(config)
    train(settings, gathered(settings), report, resume=resume)
    return Path(settings.output)


def pack_cubes(config: Path, target: Path) -> int:
    """Write the real cubes of a configuration into one file; returns how many there are.

    Raises
    ------
    InputError : the configuration or a cube cannot be used, it names no cube, or the file cannot be written there.
    """
    from clearcube.errors import InputError
    from clearcube.training.config import read_config
    from clearcube.training.packing import gathered, write_pack

    settings = read_config(config)
    if not target.parent.is_dir():
        raise InputError(f"the folder {target.parent} of the file {target.name} does not exist; make it first")
    if target.is_dir():
        raise InputError(f"{target} is a folder; name the file to write, {target / 'data.npz'} for instance")
    data = gathered(settings)
    count = len(data.train) + len(data.validation)
    if not count:
        raise InputError(f"{config} names no cubes under [[train]] or [[validation]]; there is nothing to pack")
    write_pack(target, data)
    return count
