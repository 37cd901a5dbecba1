"""The log of a run: one JSON line a record, and TensorBoard where it is installed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

EVERY = 25
"""Steps whose mean makes one record."""


class RunLog:
    """Writes `log.jsonl` in the folder of a run and tells a listener; a quiet one writes nothing."""

    def __init__(
        self, folder: Path, report: Callable[[dict[str, Any]], None], *, resume: bool = False, quiet: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        place = Path(os.devnull) if quiet else folder / "log.jsonl"
        self._file = place.open("a" if resume else "w", encoding="utf-8")
        self._report = report
        self._board = None if quiet else _board(folder)
        self._sums: dict[str, float] = {}
        self._count = 0

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._board is not None:
            self._board.close()

    def step(self, step: int, seconds: float, terms: dict[str, float]) -> None:
        """The parts of the loss at a step; every so many steps their mean is written."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if step % EVERY == 0:
            means = {name: total / self._count for name, total in self._sums.items()}
            self._sums, self._count = {}, 0
            self._write({"step": step, "seconds": round(seconds, 1), "loss": means})

    def validation(self, step: int, seconds: float, gains: dict[str, float]) -> None:
        """Gains over linear interpolation, dB."""
        self._write({"step": step, "seconds": round(seconds, 1), "gain_db": gains})

    def picture(self, step: int, name: str, image: Any) -> None:
        """A picture (H, W, 3) uint8, to TensorBoard alone."""
        if self._board is not None:
            self._board.add_image(name, image, step, dataformats="HWC")

    def _write(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(_rounded(record)) + "\n")
        self._file.flush()
        self._report(record)
        if self._board is not None:
            for group in ("loss", "gain_db"):
                for name, value in record.get(group, {}).items():
                    self._board.add_scalar(f"{group}/{name}", value, record["step"])


def _board(folder: Path) -> Any:
    """A TensorBoard writer, or None where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "tensorboard"))


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return round(value, 5) if isinstance(value, float) else value
