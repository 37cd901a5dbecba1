"""The outcome of an adaptation: small enough to travel with a prepared filler, and a file in which it is kept.

The file is what a resumed run and a failed machine go on from: the network is trained once for each output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from torch import nn

from clearcube.errors import InputError
from clearcube.networks import checkpoint
from clearcube.networks.seq2seq import Seq2Seq

STEPS = 200
"""Steps of training where nothing else is said: about a minute on two cores."""


@dataclass(frozen=True)
class Adapted:
    """What adaptation came to.

    weights : the adapted network's tensors (safetensors); None = the network stays as it was.
    held_out : positions of the dates that decided. gain : on them in PSNR, dB; NaN where nothing could be tried.
    """

    steps: int
    weights: bytes | None
    held_out: tuple[int, ...]
    gain: float

    def summary(self) -> dict[str, object]:
        """As plain values."""
        gain = round(self.gain, 3) if np.isfinite(self.gain) else None
        return {"adapted": self.weights is not None, "adaptation_steps": self.steps, "adaptation_gain_db": gain}


@lru_cache(maxsize=2)
def network_with(base: Seq2Seq, weights: bytes) -> Seq2Seq:
    """A network like the base with other tensors, made once for each process."""
    model = checkpoint.assembled(Seq2Seq, base.config, tensors_of(weights), "the adapted network")
    assert isinstance(model, Seq2Seq)
    return model


def store(path: Path, adapted: Adapted, model: Seq2Seq, base: str) -> None:
    """Write the outcome as a checkpoint, which appears when complete. base : sha256 of the weights before."""
    outcome: dict[str, Any] = {"held_out": list(adapted.held_out), "kept": adapted.weights is not None}
    outcome |= {"steps": adapted.steps, "gain": adapted.gain if np.isfinite(adapted.gain) else None, "base": base}
    kept = model if adapted.weights is None else network_with(model, adapted.weights)
    metadata = {"scaling": "as its base", "licence": "as its base", "provenance": {"source": "adapted to a cube"}}
    checkpoint.save(path, kept, metadata | {"adaptation": outcome})


def stored(path: Path, base: str) -> Adapted:
    """What `store` kept.

    Raises
    ------
    InputError : the file is damaged, or belongs to another network than `base`.
    """
    model, metadata = checkpoint.load(path)
    outcome: Any = metadata.get("adaptation")
    try:
        if outcome["base"] != base:
            raise InputError(f"{path} was adapted from other weights; start over with --overwrite")
        gain = float("nan") if outcome["gain"] is None else float(outcome["gain"])
        weights = tensors_as_bytes(model) if outcome["kept"] else None
        return Adapted(int(outcome["steps"]), weights, tuple(map(int, outcome["held_out"])), gain)
    except InputError:
        raise
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise InputError(f"{path} does not tell how it was adapted; start over with --overwrite") from error


def tensors_as_bytes(model: nn.Module) -> bytes:
    """The tensors of a network in the format of safetensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    return bytes(bytes_of(tensors))
