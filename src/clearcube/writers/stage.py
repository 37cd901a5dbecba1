"""The stage: a folder beside the output in which it grows, survives a kill, and from which it is finished.

OUTPUT.stage/
manifest.json   what goes in (input, settings) and how the output is stored
done.log        the blocks that are done, one a line, written after the block
filled.zarr     the output as it grows
input.zarr      the input brought into windows, where it is not stored that way (see `fill_cube`)
lock            held by the one process that writes
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from clearcube.errors import InputError

VERSION = 1
HALF_WRITTEN = "*.partial"
"""Files that zarr was killed over: it writes a chunk under such a name first."""


def stage_path(output: Path) -> Path:
    """Where the stage of an output lies."""
    return output.with_name(output.name + ".stage")


@dataclass(frozen=True)
class Stage:
    """An opened stage; `opened` makes it."""

    path: Path
    resumed: bool

    @property
    def filled(self) -> Path:
        """The Zarr group that becomes the output."""
        return self.path / "filled.zarr"

    @property
    def ingested(self) -> Path:
        """The Zarr group that holds the input in windows."""
        return self.path / "input.zarr"

    def done(self) -> set[str]:
        """Names of the blocks that are done. A last line cut off by a kill does not count."""
        log = self.path / "done.log"
        if not log.exists():
            return set()
        return {line[:-1] for line in log.read_text().splitlines(keepends=True) if line.endswith("\n")}

    def mark(self, name: str) -> None:
        """Note a block as done, once its data is written."""
        with (self.path / "done.log").open("a") as log:
            log.write(name + "\n")
            log.flush()
            os.fsync(log.fileno())

    def publish(self, part: Path, output: Path) -> None:
        """Give a finished part of the stage its name; what had the name before goes with the stage.

        Where that fails, what had the name before has it again.
        """
        replaced = self.path / "replaced"
        if output.exists():
            output.rename(replaced)
        try:
            part.rename(output)
        except OSError:
            if replaced.exists():
                replaced.rename(output)
            raise

    def remove(self) -> None:
        """Delete the stage; from the first moment on it is none that could be resumed."""
        (self.path / "manifest.json").unlink()
        shutil.rmtree(self.path)


@contextmanager
def opened(output: Path, fingerprint: Mapping[str, Any], *, resume: bool | None, overwrite: bool) -> Iterator[Stage]:
    """The stage of an output, locked while the context lasts.

    Parameters
    ----------
    output : where the finished output will be.
    fingerprint : JSON values that name the input and every setting; resuming needs the same.
    resume : go on with the stage that is there (or begin one where none is); None = what asks cannot go on with any.
    overwrite : throw away a stage that is there.

    Raises
    ------
    InputError : a stage is there and neither was asked for, it is of another input or other settings, or another
        process is writing it.
    """
    path = stage_path(output)
    if path.exists() and not _is_stage(path):
        raise InputError(f"{path}, where {output} would grow, is not clearcube's: move it, or choose another output")
    created = [folder for folder in path.parents if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write beside {output}: {error}; choose a place you can write to") from error
    lock = FileLock(path / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"{output} is being written by another process (it holds {path / 'lock'}); wait until it ends"
        ) from None
    try:
        yield _prepared(path, output, json.loads(json.dumps(fingerprint)), resume=resume, overwrite=overwrite)
    finally:
        lock.release()
        if path.exists() and not (path / "manifest.json").exists():
            shutil.rmtree(path)
        _remove_empty(created)


def _is_stage(path: Path) -> bool:
    """Whether what is there is a stage, or what a kill left of one, or an empty folder."""
    names = {part.name for part in path.iterdir()} if path.is_dir() else {path.name}
    return not names or bool(names & {"lock", "manifest.json"})


def _remove_empty(folders: Sequence[Path]) -> None:
    """Delete the folders that were made for an output and hold nothing, the innermost first."""
    for folder in folders:
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()


def _prepared(path: Path, output: Path, fingerprint: dict[str, Any], *, resume: bool | None, overwrite: bool) -> Stage:
    manifest = path / "manifest.json"
    if manifest.exists() and (resume or not overwrite):  # `overwrite` may be of the output alone
        if not resume:
            choice = "delete it" if resume is None else "go on with --resume"
            raise InputError(f"an unfinished run of {output} is in {path}: {choice}, or start over with --overwrite")
        _refuse_changes(_read_manifest(manifest), fingerprint, output)
        for left in path.rglob(HALF_WRITTEN):
            left.unlink()
        _cut_to_whole_lines(path / "done.log")
        return Stage(path, resumed=True)
    for name in ("manifest.json", "done.log"):  # first, so that what a kill leaves is not taken for a stage
        (path / name).unlink(missing_ok=True)
    for part in path.iterdir():
        if part.name != "lock":
            shutil.rmtree(part) if part.is_dir() else part.unlink()
    written = path / "manifest.part"
    written.write_text(json.dumps({"version": VERSION, "fingerprint": fingerprint}, indent=1))
    written.replace(manifest)
    return Stage(path, resumed=False)


def _cut_to_whole_lines(log: Path) -> None:
    """Take away a last line that was cut off by a kill, so that the next one does not go on with it."""
    text = log.read_text() if log.exists() else ""
    if text and not text.endswith("\n"):
        log.write_text(text[: text.rfind("\n") + 1])


def _read_manifest(manifest: Path) -> dict[str, Any]:
    try:
        content = json.loads(manifest.read_text())
        if content["version"] != VERSION:
            raise ValueError(f"version {content['version']}, expected {VERSION}")
        recorded: dict[str, Any] = content["fingerprint"]
    except (ValueError, KeyError) as error:
        raise InputError(f"{manifest} cannot be read ({error}); start over with --overwrite") from error
    return recorded


def _refuse_changes(before: dict[str, Any], now: dict[str, Any], output: Path) -> None:
    """Name what differs between the recorded fingerprint and the present one."""
    old, new = dict(_flat(before)), dict(_flat(now))
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differing:
        shown = "; ".join(f"{key} was {old.get(key)!r} and is {new.get(key)!r}" for key in differing[:5])
        more = f"; and {len(differing) - 5} more" if len(differing) > 5 else ""
        raise InputError(
            f"cannot resume {output}, the input or a setting has changed: {shown}{more}. "
            "Give the same again, or start over with --overwrite"
        )


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Nested dictionaries and lists as pairs of a dotted key and a plain value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
        for index, inner in enumerate(value):
            yield from _flat(inner, f"{key}[{index}]")
    else:
        yield key, value
