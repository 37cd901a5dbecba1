"""The adversarial part of a step: the discriminator learns first, then says what it makes of the fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.networks.discriminator import PatchDiscriminator
from clearcube.networks.precision import computing_in

if TYPE_CHECKING:
    from clearcube.networks.seq2seq import Output
    from clearcube.training.samples import Batch

Learn = Callable[[Tensor], None]
"""Changes the discriminator's weights so that its loss gets smaller."""


def judged(
    judge: nn.Module, output: Output, batch: Batch, clean: Batch | None, precision: str, learn: Learn
) -> tuple[Tensor, Tensor]:
    """The generator's adversarial loss after a step of the discriminator, and the loss of that step; scalars.

    clean : series without gaps, which the published discriminator compares the fill with.
    """
    if isinstance(judge, PatchDiscriminator):
        loss, verdict = _hinge(judge, output, batch, precision)
    else:
        assert clean is not None
        loss, verdict = _published(judge, output, clean)
    own = loss()
    learn(own)
    judge.requires_grad_(False)
    said = verdict()
    judge.requires_grad_(True)
    return said, own.detach()


Losses = tuple[Callable[[], Tensor], Callable[[], Tensor]]
"""The discriminator's loss and the generator's, each computed when called."""


def _hinge(judge: PatchDiscriminator, output: Output, batch: Batch, precision: str) -> Losses:
    """Whether hidden pixels look observed, patch by patch, beside what was seen of the same series (hinge loss)."""
    asked = batch.weight > 0
    fake = torch.where(batch.observed.unsqueeze(2), batch.given, output.estimate)
    real = torch.where(asked.unsqueeze(2), batch.target, fake.detach())
    look = F.avg_pool2d(asked.float(), judge.patch)

    def logits(images: Tensor) -> Tensor:
        with computing_in(precision, images.device):
            said: Tensor = judge(images, output.base, batch.observed, asked, batch.days, batch.wavelengths)
        return said.float()

    def loss() -> Tensor:
        return _average(F.relu(1 - logits(real)), look) + _average(F.relu(1 + logits(fake.detach())), look)

    return loss, lambda: -_average(logits(fake), look)


def _published(judge: nn.Module, output: Output, clean: Batch) -> Losses:
    """Whether pieces of the fill look like clean series of other places, as published for GANFilling.

    Four dates of 64 x 64 pixels or as many as there are, taken at the same random place from the fill in all samples.
    """
    real = _last_in_time(clean.target)
    fake = _piece(_last_in_time(output.estimate), real, int(clean.days.sum()))

    def cross_entropy(images: Tensor, label: float) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            scores: Tensor = judge(images.float().clamp(0, 1))
            return F.binary_cross_entropy(scores, torch.full_like(scores, label))

    return (
        lambda: (cross_entropy(real, 1.0) + cross_entropy(fake.detach(), 0.0)) / 2,
        lambda: cross_entropy(fake, 1.0),
    )


def _last_in_time(series: Tensor) -> Tensor:
    """(N, T, B, H, W) as (N, B, H, W, T)."""
    return series.permute(0, 2, 3, 4, 1)


def _piece(series: Tensor, like: Tensor, seed: int) -> Tensor:
    """A random part (N, B, h, w, t) of a series (N, B, H, W, T), of the size of another one where it has it."""
    rng = np.random.default_rng(seed)
    sizes = [min(a, b) for a, b in zip(series.shape[2:], like.shape[2:], strict=True)]
    starts = [int(rng.integers(whole - size + 1)) for whole, size in zip(series.shape[2:], sizes, strict=True)]
    for axis, (start, size) in enumerate(zip(starts, sizes, strict=True), 2):
        series = series.narrow(axis, start, size)
    return series


def _average(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)
