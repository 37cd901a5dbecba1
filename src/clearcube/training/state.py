"""Files of a run: the state to go on from, and checkpoints of the averaged weights with their provenance."""

from __future__ import annotations

import json
import math
import pickle
import platform
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import torch

from clearcube.cores import usable_cores
from clearcube.errors import DAMAGED_ARCHIVE, InputError
from clearcube.networks import checkpoint
from clearcube.networks.adapters import bare
from clearcube.networks.precision import type_of

if TYPE_CHECKING:
    from clearcube.training.config import TrainingConfig
    from clearcube.training.log import Sums
    from clearcube.training.progress import Passed
    from clearcube.training.step import Learner

P = TypeVar("P")
STATE = "state.pt"
LAST, BEST = "last.safetensors", "best.safetensors"
LOG = "log.jsonl"
KEPT = "step_{:06d}.safetensors"
"""What a checkpoint is called that stays when the run goes on, by its step."""
LICENCE = "Apache-2.0"
DAMAGED = (*DAMAGED_ARCHIVE, IndexError, AttributeError, AssertionError, pickle.UnpicklingError)
"""What reading a state raises that is cut off, changed, or of another kind."""


@dataclass
class Progress:
    """How far a run is: steps and seconds done, the best validation so far, and how many were not better since.

    sums : what the log's next record is made of.
    files : name -> sha256 of every file that the run read.
    start_sha256 : checksum of the checkpoint that it began with; "" = none.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = float("-inf")
    since_best: int = 0
    validations: list[dict[str, Any]] = field(default_factory=list)
    sums: Sums = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    start_sha256: str = ""


def written_since(state: Path, since: float) -> bool:
    """Whether there is a state that is no older than `since`, seconds from 1970.

    A run that starts over may be stopped before it wrote any: what is there then is the state of the run before.
    """
    return state.is_file() and state.stat().st_mtime >= since


def saved_state(config: Path, read: Callable[[Path], Any], since: float = 0.0) -> Path | None:
    """The state that a run of this configuration would go on from; None where there is none, or no configuration.

    since : as of `written_since`.
    """
    try:
        state = Path(read(config).output) / STATE
    except InputError:
        return None
    return state if written_since(state, since) else None


def check_folder(folder: Path, *, resume: bool, overwrite: bool) -> None:
    """Whether a run may write there.

    Raises
    ------
    InputError : it is no folder, or holds another run and is to be neither resumed nor overwritten.
    """
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise InputError(f"{place} is a file; set output to a folder that is new or empty")
    found = [name for name in (STATE, LAST, BEST, LOG) if (folder / name).exists()]
    if found and not resume and not overwrite:
        onward = "go on with --resume, " if STATE in found else ""
        raise InputError(
            f"{folder} holds another run ({', '.join(found)}): {onward}set output to another folder, or start over "
            "with --overwrite"
        )


def clear_folder(folder: Path) -> None:
    """Take away what another run left, so that nothing of it is taken for this one's."""
    for path in (
        *(folder / name for name in (STATE, LAST, BEST, LOG, "sample.png")),
        *folder.glob("step_*.safetensors"),
    ):
        path.unlink(missing_ok=True)
    shutil.rmtree(folder / "tensorboard", ignore_errors=True)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """No other run writes into the folder meanwhile, where filelock is installed (with clearcube it is).

    Raises
    ------
    InputError : another one does.
    """
    filelock = _filelock()
    if filelock is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(f"another run writes into {folder}; wait until it ends, or set another output") from None
    except (OSError, NotImplementedError) as error:
        raise InputError(f"{folder} cannot be locked ({error}); set output to a folder elsewhere") from error
    try:
        yield
    finally:
        lock.release()


def _filelock() -> Any:
    """The library, or None where it is not installed."""
    try:
        import filelock
    except ImportError:
        return None
    return filelock


class Restored(Protocol):
    """What learns, as a state keeps it."""

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, as tensors and plain values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        ...


class Configured(Protocol):
    """A configuration."""

    def plain(self) -> dict[str, Any]:
        """All values as tables, numbers, texts and lists."""
        ...


class Seeded(Configured, Protocol):
    """The configuration of a run."""

    @property
    def seed(self) -> int:
        """What all random numbers of the run come from."""
        ...


def save_state(folder: Path, learner: Restored, progress: object, config: Configured) -> None:
    """Write the state; it appears under its name only when complete. progress : a data class of plain values.

    Raises
    ------
    OSError : it cannot be written.
    """
    partial = folder / f".{STATE}.partial"
    saved = {"config": json.dumps(config.plain()), "progress": vars(progress), "learner": learner.state()}
    try:
        torch.save(saved, partial)
        partial.replace(folder / STATE)
    except RuntimeError as error:  # what torch makes of a full disk
        raise OSError(f"{partial}: cannot be written; is the disk full? ({str(error).splitlines()[0]})") from None
    finally:
        partial.unlink(missing_ok=True)


def load_state(
    folder: Path,
    learner: Restored,
    config: Configured,
    usual: P,
    config_from: Callable[[Mapping[str, Any]], Configured],
) -> P:
    """Put the saved state into the learner; returns how far the run was.

    usual : the progress of a run that begins. config_from : makes a configuration of plain values.

    Raises
    ------
    InputError : there is no state, it is damaged, or of another configuration.
    """
    path = folder / STATE
    if not path.is_file():
        raise InputError(f"{path}: no state to resume from; start without --resume")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        own, progress = json.loads(saved["config"]), _progress(saved["progress"], usual)
        if not _same(own, config, config_from):
            raise InputError(
                f"{path} belongs to another configuration; resume with the one that it was started with, "
                "and with the checkpoint that it began with where [network] is left out"
            )
        learner.restore(saved["learner"])
    except InputError:
        raise
    except DAMAGED as error:
        raise InputError(
            f"{path}: not a complete state of a run ({str(error) or type(error).__name__}); start over with --overwrite"
        ) from None
    return progress


def check_same_files(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with other files, name -> sha256, than were read before; nothing before: a run that begins.

    Raises
    ------
    InputError : a file is another one than before, or was not there, or is not any more.
    """
    if before and before.keys() != now.keys():
        words = [
            f"{what} {', '.join(sorted(names)):.200}"
            for what, names in (("added", now.keys() - before.keys()), ("missing", before.keys() - now.keys()))
            if names
        ]
        raise InputError(
            f"the cubes are not those that the run began with ({'; '.join(words)}): give the same ones, or start over "
            "with --overwrite"
        )
    for name in before.keys() & now.keys():
        if before[name] != now[name]:
            raise InputError(
                f"{name} is not the file that the run began with (sha256 {before[name]:.12}, now {now[name]:.12}): put "
                "that one back, or start over with --overwrite"
            )


def _same(plain: Mapping[str, Any], config: Configured, config_from: Callable[[Mapping[str, Any]], Configured]) -> bool:
    try:
        return config_from(plain).plain() == config.plain()
    except InputError:
        return False


def _progress(saved: Mapping[str, Any], usual: P) -> P:
    """The progress from its values, each of the type of the usual one.

    Raises
    ------
    ValueError : one has another type.
    """
    progress = type(usual)(**saved)
    for name, value in vars(usual).items():
        if type(getattr(progress, name)) is not type(value):
            raise ValueError(f"{name} is {getattr(progress, name)!r:.40}")
    return progress


def save_weights(
    path: Path,
    learner: Learner,
    config: TrainingConfig,
    progress: Progress,
    gains: Mapping[str, Any] | None = None,
) -> None:
    """Write the averaged weights as a checkpoint."""
    rates = config.optimisation
    files = progress.files | ({config.start: progress.start_sha256} if progress.start_sha256 else {})
    metadata: dict[str, Any] = {
        "scaling": "reflectance, unit 1; the network scales by itself",
        "licence": LICENCE,
        "provenance": provenance(config, progress, files, hardware(rates.threads, rates.precision, rates.devices)),
        "validation": _finite({"gain_db": gains or {}, "history": progress.validations}),
    }
    checkpoint.save(path, bare(learner.average), metadata, half=config.stored == "float16")


def provenance(config: Seeded, progress: Passed, files: Mapping[str, str], hardware: str) -> dict[str, Any]:
    """How the weights of a run came about, as plain values.

    files : name -> sha256 of what was read. hardware : what it computed on.
    """
    return {
        "command": command(),
        "seed": config.seed,
        "config": config.plain(),
        "files": dict(files),
        "steps": progress.step,
        "hours": round(progress.seconds / 3600, 3),
        "hardware": hardware,
        "torch": torch.__version__,
    }


def command() -> str:
    """How the program was called."""
    called = Path(sys.argv[0])
    module = "clearcube.training" if called.parent.name == "training" else called.parent.name
    program = f"python -m {module}" if called.name == "__main__.py" else called.name
    return " ".join([program, shlex.join(sys.argv[1:])])


def _finite(value: Any) -> Any:
    """The same plain values with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def hardware(threads: int, precision: str, devices: int = 1) -> str:
    """What the run computes on and in, in words. devices : GPUs that it uses, where there are any."""
    if torch.cuda.is_available():
        return f"{devices} x {torch.cuda.get_device_name()}, {type_of(precision, 'cuda')}"
    return f"{threads} of {usable_cores()} CPU cores ({platform.machine()}), {type_of(precision, 'cpu')}"
