"""Training from a configuration, and packing its cubes for another machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def train_network(
    config: Path, report: Callable[[dict[str, Any]], None], *, resume: bool = False, overwrite: bool = False
) -> Path | None:
    """Train as the configuration says; returns the folder with state, log and weights, None in all processes but one.

    report : called with every record of the log. resume : go on from the saved state. overwrite : start over where
    there is another run's.

    Raises
    ------
    InputError : the configuration or a cube cannot be used, a test file is among them, the folder holds another run,
        the loss is not finite.
    """
    from clearcube.training.config import read_config
    from clearcube.training.devices import first_process
    from clearcube.training.loop import train
    from clearcube.training.packing import gathered
    from clearcube.training.state import check_folder

    settings = read_config(config)
    folder = Path(settings.output)
    check_folder(folder, resume=resume, overwrite=overwrite)
    train(settings, gathered(settings), report, resume=resume, overwrite=overwrite)
    return folder if first_process() else None


def state_to_resume(config: Path, since: float = 0.0) -> Path | None:
    """The saved state that a run of this configuration would go on from, if it is no older than `since`; else None."""
    from clearcube.training.config import read_config
    from clearcube.training.state import saved_state

    return saved_state(config, read_config, since)


def pack_cubes(config: Path, target: Path, *, overwrite: bool = False) -> int:
    """Write the real cubes of a configuration into one file; returns how many there are.

    overwrite : replace the file, if it is none of those that are read.

    Raises
    ------
    InputError : the configuration or a cube cannot be used, it names no cube, or the file cannot be written there.
    """
    from clearcube.errors import InputError
    from clearcube.training.config import read_config
    from clearcube.training.packing import gathered, inputs_of, write_pack
    from clearcube.workflows.places import check_free

    settings = read_config(config)
    if target.is_dir():
        raise InputError(f"{target} is a folder; name the file to write, {target / 'data.npz'} for instance")
    for path in (config, *inputs_of(settings), *([Path(settings.start)] if settings.start else ())):
        if path.resolve() in (target.resolve(), *target.resolve().parents):
            raise InputError(f"{target} would be written over {path}, which is read; choose another name")
    check_free(target, overwrite=overwrite)
    data = gathered(settings)
    count = len(data.train) + len(data.validation)
    if not count:
        raise InputError(
            f"{config} names no cubes under [[train]] or [[validation]]; there is nothing to pack, and "
            "'python -m clearcube.training CONFIG' needs no file"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    write_pack(target, data)
    return count
