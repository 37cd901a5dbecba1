"""A checkpoint as a filler: what `methods` are for the classical ones, this is for networks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from clearcube.errors import InputError
from clearcube.filler import Block, Estimate
from clearcube.methods import MethodInfo
from clearcube.methods.error_kernels import OBSERVED
from clearcube.methods.error_model import measure_errors
from clearcube.methods.hidden_errors import without_empty_dates
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.networks.checkpoint import load
from clearcube.networks.seq2seq import Seq2Seq
from clearcube.networks.spectral import LIMITS_NM
from clearcube.tiling import windows
from clearcube.training.calibration import Calibration, Guess, calibrated, kinds_of
from clearcube.training.validation import applied

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST_DATES = 3
PIXEL_DATES = 2_000_000
"""Pixels times dates that the network sees at once; bounds memory to about one gigabyte."""
SAMPLE_PIXEL_DATES = 250_000
"""Pixels times dates of the sample that errors are measured on, at each repetition."""
EMBEDDED = "weights"
"""Folder in the package that holds embedded checkpoints."""


@dataclass(frozen=True)
class NetworkFiller:
    """Fills with the network of a checkpoint.

    path : of the checkpoint. threads : of torch, in each call.

    Raises
    ------
    InputError : the checkpoint cannot be used to fill.
    """

    path: str
    name: str = "network"
    threads: int = 1

    def __post_init__(self) -> None:
        _network(self.path)

    @property
    def halo(self) -> int:
        """Pixels around a window that count."""
        return int(_network(self.path).config.halo)

    def prepare(self, sample: Sequence[Block]) -> PreparedNetwork:
        """Measure the network's errors on the sample by hiding, to know its std and how far to trust it.

        Raises
        ------
        InputError : fewer than three dates, or a band whose wavelength is unknown or not optical.
        """
        _check(sample[0])
        blocks = without_empty_dates(sample)
        noise = measure_errors(partial(fill_block, rule=LINEAR), blocks).table[:, OBSERVED]
        guess = partial(_guess, self)
        calibration = calibrated(guess, _some(blocks))
        return PreparedNetwork(self, sha256_of(self.path), calibration, noise)


@dataclass(frozen=True)
class PreparedNetwork:
    """A network that knows its errors on this cube.

    digest : sha256 of the checkpoint. noise : (B,) std of an observation.
    """

    filler: NetworkFiller
    digest: str
    calibration: Calibration
    noise: NDArray[np.float32] = field(repr=False)

    @property
    def error_correlation(self) -> NDArray[np.float64]:
        """(B, B) correlation of the errors of the bands."""
        return self.calibration.correlation

    def fill(self, block: Block) -> Estimate:
        """Mean, std and probability of contamination; NaN at pixels that are never observed."""
        size = self._tile(block)
        mean, std = np.empty_like(block.reflectance), np.empty_like(block.reflectance)
        contamination = np.empty(block.observed.shape, np.float32)
        frame = (block.observed.shape[1], block.observed.shape[2])
        for window in windows(frame, size):
            outer = window.grown(self.filler.halo, frame)
            part = self._fill(_cut(block, outer.slices))
            inside, place = window.within(outer), window.slices
            assert part.std is not None
            assert part.contamination is not None
            mean[(..., *place)] = part.mean[(..., *inside)]
            std[(..., *place)] = part.std[(..., *inside)]
            contamination[(..., *place)] = part.contamination[(..., *inside)]
        return Estimate(mean, std, contamination)

    def summary(self) -> Mapping[str, object]:
        """The checkpoint and what was measured."""
        return {
            "network": self.filler.name,
            "network_sha256": self.digest,
            "network_trust": np.round(self.calibration.trust.astype(float), 4).tolist(),
            "network_spread": np.round(self.calibration.spread.astype(float), 4).tolist(),
            "error_hidden_observations": self.calibration.hidden,
            "error_std_observed": np.round(self.noise.astype(float), 6).tolist(),
            "error_correlation": np.round(self.calibration.correlation, 6).tolist(),
        }

    def _tile(self, block: Block) -> int:
        """Side of the windows within the block: a multiple of what the network asks for, memory permitting."""
        step = int(_network(self.filler.path).config.multiple)
        whole = int(max((PIXEL_DATES / len(block.dates)) ** 0.5, 64)) - 2 * self.filler.halo
        return max(whole // step * step, 2 * step)

    def _fill(self, block: Block) -> Estimate:
        """A part that is small enough."""
        _check(block)
        torch.set_num_threads(self.filler.threads)
        output = applied(_network(self.filler.path), block, precision())
        kind = kinds_of(block.observed, block.dates)
        believed = _array(output.believed)[:, None]
        base, estimate = _array(output.base), _array(output.estimate)
        trust = np.where(block.observed, np.float32(1), self.calibration.trust[kind])[:, None]
        mean = np.where(believed, _array(output.mean), base + trust * (estimate - base))
        factor = np.moveaxis(self.calibration.spread[kind], -1, 1)
        std = np.where(believed, self.noise[:, None, None], _array(output.std) * factor)
        never = ~block.observed.any(axis=0)
        mean[..., never] = std[..., never] = np.nan
        contamination = torch.sigmoid(output.contamination_logit[0].float()).numpy()
        return Estimate(mean.astype(np.float32), std.astype(np.float32), contamination)


def precision() -> str:
    """The type in which networks compute here: bfloat16 where the processor has instructions for it."""
    return "bfloat16" if _has_bfloat16() else "float32"


@lru_cache(maxsize=1)
def _has_bfloat16() -> bool:
    """Whether the processor says so."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text


def _guess(filler: NetworkFiller, block: Block) -> Guess:
    torch.set_num_threads(filler.threads)
    output = applied(_network(filler.path), block, precision())
    return Guess(_array(output.estimate), _array(output.std), _array(output.base))


def _array(values: torch.Tensor) -> NDArray[Any]:
    """The first sample as an array, numbers as float32."""
    first = values[0].cpu()
    return np.asarray(first.numpy() if first.dtype == torch.bool else first.float().numpy())


@lru_cache(maxsize=4)
def _network(path: str) -> Seq2Seq:
    """The network of a checkpoint, once for each process."""
    model, _ = load(path)
    if not isinstance(model, Seq2Seq):
        raise InputError(f"{path} holds {type(model).__name__}, which does not fill cubes of any bands and dates")
    return model


def _some(blocks: Sequence[Block]) -> list[Block]:
    """As many of the blocks, spread over all of them, as errors are measured on: one at least, or its middle."""
    count = max(SAMPLE_PIXEL_DATES // max(blocks[0].observed.size, 1), 1)
    chosen = np.unique(np.linspace(0, len(blocks) - 1, min(count, len(blocks))).round().astype(int))
    side = max(int((SAMPLE_PIXEL_DATES / len(blocks[0].dates)) ** 0.5) // 16 * 16, 48)
    return [_middle(blocks[i], side) for i in chosen]


def _middle(block: Block, side: int) -> Block:
    """At most side x side pixels in the middle."""
    starts = [max(size - side, 0) // 2 for size in block.observed.shape[1:]]
    return _cut(block, (slice(starts[0], starts[0] + side), slice(starts[1], starts[1] + side)))


def _cut(block: Block, place: tuple[slice, slice]) -> Block:
    return Block(block.reflectance[(..., *place)], block.observed[(..., *place)], block.dates, block.bands)


def _check(block: Block) -> None:
    if len(block.dates) < FEWEST_DATES:
        raise InputError(
            f"the network needs at least {FEWEST_DATES} dates, the cube has {len(block.dates)}; use linear"
        )
    for band in block.bands:
        if not LIMITS_NM[0] <= band.wavelength <= LIMITS_NM[1]:
            raise InputError(
                f"the network needs the centre wavelength of every band, {LIMITS_NM[0]:.0f} to {LIMITS_NM[1]:.0f} nm; "
                f"that of '{band.name}' is {band.wavelength}: name the bands by their common names, or use linear"
            )


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Checksum of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def embedded_weights(name: str) -> Path | None:
    """The checkpoint of this name that ships with the package, or None."""
    path = Path(str(files("clearcube"))) / EMBEDDED / f"{name}.safetensors"
    return path if path.is_file() else None


def make_network_filler(name: str, **options: Any) -> NetworkFiller:
    """The filler of a network by name; `weights` is the checkpoint to use instead of the embedded one.

    Raises
    ------
    InputError : no such network, an unknown option, no weights.
    """
    if name not in NETWORKS:
        raise InputError(f"unknown network '{name}'; choose one of {', '.join(NETWORKS)}")
    unknown = sorted(set(options) - set(NETWORKS[name].options))
    if unknown:
        raise InputError(f"method '{name}' has no option '{unknown[0]}'; it takes weights")
    weights = options.get("weights") or embedded_weights(name)
    if weights is None:
        raise InputError(f"no weights of '{name}' ship with this version: give a checkpoint with --weights FILE")
    return NetworkFiller(os.fspath(weights), name)


NETWORKS: Mapping[str, MethodInfo] = MappingProxyType(
    {
        "seq2seq": MethodInfo(
            "seq2seq",
            "a network that corrects the straight line by what neighbouring pixels and dates tell",
            "three dates; optical bands of known wavelength",
            "its own, scaled by its errors on hidden observations",
            32,
            partial(make_network_filler, "seq2seq"),
            ("weights",),
        )
    }
)
"""Name -> network, beside `clearcube.methods.METHODS`."""
