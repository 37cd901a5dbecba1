"""The log of a run: one JSON line a record, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from clearcube.training.state import LOG

Sums = dict[str, list[float]]
"""Part of the loss -> its sum over the steps since the last record, and their number."""


class RunLog:
    """Writes `log.jsonl` in the folder of a run and tells a listener; a quiet one writes nothing.

    every : steps whose mean makes one record. sums : of the steps since the last one; kept up to date, so that a run
    that goes on from a saved state writes the records that it would have written.
    step : a run goes on after this one; later records are dropped. 0 starts a new log.
    """

    def __init__(
        self,
        folder: Path,
        report: Callable[[dict[str, Any]], None],
        *,
        every: int,
        sums: Sums,
        step: int = 0,
        quiet: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(os.devnull) if quiet else folder / LOG
        if not quiet:
            keep_lines(place, lines_until(place, step) if step else [])
        self._file = place.open("a", encoding="utf-8")
        self._report = report
        self._board = None if quiet else _board(folder, step)
        self._every, self._sums = every, sums

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def step(self, step: int, seconds: float, terms: dict[str, float], *, last: bool) -> None:
        """The parts of the loss at a step; every so many steps, and at the last, their mean is written."""
        for name, value in terms.items():
            before = self._sums.get(name, [0.0, 0])
            self._sums[name] = [before[0] + value, before[1] + 1]
        if last or step % self._every == 0:
            self.rest(step, seconds)

    def rest(self, step: int, seconds: float) -> None:
        """Write the mean of the steps since the last record, if there are any."""
        if self._sums:
            means = {name: total / count for name, (total, count) in self._sums.items()}
            self._sums.clear()
            self._write({"step": step, "seconds": round(seconds, 1), "loss": means})

    def validation(self, step: int, seconds: float, gains: dict[str, float]) -> None:
        """Gains over linear interpolation, dB."""
        self._write({"step": step, "seconds": round(seconds, 1), "gain_db": gains})

    def picture(self, step: int, name: str, image: Any) -> None:
        """A picture (H, W, 3) uint8, to TensorBoard alone."""
        if self._board is not None:
            self._board.add_image(name, image, step, dataformats="HWC")

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(_rounded(record), allow_nan=False) + "\n")
        self._file.flush()
        self._report(record)
        if self._board is not None:
            for group in ("loss", "gain_db"):
                for name, value in record.get(group, {}).items():
                    self._board.add_scalar(f"{group}/{name}", value, record["step"])


def keep_lines(path: Path, kept: list[str]) -> None:
    """Leave these lines of a log; it is never without them, so that a run that is killed here loses none."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text("".join(kept), encoding="utf-8")
    partial.replace(path)


def lines_until(path: Path, step: int) -> list[str]:
    """The lines of a log up to a step; one that is cut off ends it."""
    kept: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            later = json.loads(line)["step"] > step
        except ValueError:
            break
        if later:
            break
        kept.append(line + "\n")
    return kept


def _board(folder: Path, step: int) -> Any:
    """A TensorBoard writer that goes on after a step, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 5) if isinstance(value, float) else value
