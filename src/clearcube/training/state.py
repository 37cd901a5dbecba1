"""Files of a run: the state to go on from, and checkpoints of the averaged weights with their provenance."""

from __future__ import annotations

import json
import math
import os
import pickle
import platform
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clearcube.errors import InputError
from clearcube.networks import checkpoint
from clearcube.networks.adapters import bare
from clearcube.training.config import config_from

if TYPE_CHECKING:
    from clearcube.training.config import TrainingConfig
    from clearcube.training.packing import TrainingData
    from clearcube.training.step import Learner

STATE = "state.pt"
LICENCE = "Apache-2.0"


def save_state(folder: Path, learner: Learner, progress: Mapping[str, Any], config: TrainingConfig) -> None:
    """Write the state; it appears under its name only when complete."""
    partial = folder / f".{STATE}.partial"
    torch.save({"config": json.dumps(config.plain()), "progress": dict(progress), "learner": learner.state()}, partial)
    partial.replace(folder / STATE)


def load_state(folder: Path, learner: Learner, config: TrainingConfig) -> dict[str, Any]:
    """Put the saved state into the learner; returns how far the run was.

    Raises
    ------
    InputError : there is no state, it is damaged, or of another configuration.
    """
    path = folder / STATE
    if not path.is_file():
        raise InputError(f"{path}: no state to resume from; start without --resume")
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if config_from(json.loads(saved["config"])) != config:
            raise InputError(f"{path} belongs to another configuration; resume with the one that it was started with")
        learner.restore(saved["learner"])
    except (pickle.UnpicklingError, RuntimeError, KeyError, EOFError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a complete state of a run ({error}); start again without --resume") from None
    progress: dict[str, Any] = saved["progress"]
    return progress


def save_weights(
    path: Path,
    learner: Learner,
    config: TrainingConfig,
    progress: Mapping[str, Any],
    data: TrainingData,
    gains: Mapping[str, Any] | None = None,
) -> None:
    """Write the averaged weights as a checkpoint."""
    metadata: dict[str, Any] = {
        "scaling": "reflectance, unit 1; the network scales by itself",
        "licence": LICENCE,
        "provenance": {
            "command": command(),
            "seed": config.seed,
            "config": config.plain(),
            "files": dict(data.files),
            "steps": progress["step"],
            "hours": round(progress["seconds"] / 3600, 3),
            "hardware": hardware(config.optimisation.threads),
            "torch": torch.__version__,
        },
        "validation": _finite({"gain_db": gains or {}, "history": progress["validations"]}),
    }
    checkpoint.save(path, bare(learner.average), metadata, half=config.stored == "float16")


def command() -> str:
    """How the program was called."""
    program = "python -m clearcube.training" if sys.argv[0].endswith("__main__.py") else Path(sys.argv[0]).name
    return " ".join([program, shlex.join(sys.argv[1:])])


def _finite(value: Any) -> Any:
    """The same plain values with None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def hardware(threads: int) -> str:
    """What the run computes on, in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{threads} of {os.cpu_count()} CPU cores ({platform.machine()})"
