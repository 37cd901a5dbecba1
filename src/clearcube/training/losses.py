"""Parts of the loss: each a number that falls as the fill gets better, each named in the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from clearcube.networks.seq2seq import Output
    from clearcube.training.samples import Batch

SOFTNESS = 0.02
"""Errors well below this count as their square, those above as they are; reflectance."""
FLOOR = 0.004
"""Added to the error of interpolation that errors are measured by; reflectance."""
SQRT_HALF = 0.5**0.5


def robust(error: Tensor) -> Tensor:
    """Charbonnier's distance, sqrt(e^2 + s^2) - s, of errors of any shape, unit 1, each by itself."""
    return (error.square() + SOFTNESS**2).sqrt() - SOFTNESS


def loss_terms(output: Output, batch: Batch) -> dict[str, Tensor]:
    """All parts but the adversarial one by the names of `LossConfig`, each a scalar."""
    error = output.estimate - batch.target
    scale = _scale(output, batch)
    weight = batch.weight.unsqueeze(2)
    terms = {
        "distance": _mean(robust(error) / scale, weight),
        "absolute": (error.abs() * weight).mean(),
        "likelihood": _mean(likelihood(error, output.log_std), weight),
        "gradient": gradient(error, batch.weight, scale),
        "spectral": spectral_angle(output.estimate, batch.target, batch.weight),
        "contamination": contamination(output.contamination_logit, batch.contaminated),
    }
    known = batch.known.unsqueeze(2).to(error.dtype)
    terms["believed"] = _mean(robust(output.mean - batch.target) / scale, known)
    return terms


def _scale(output: Output, batch: Batch) -> Tensor:
    """(N, 1, 1, 1, 1): each sample's mean error of interpolation, so that easy and hard samples weigh alike."""
    with torch.no_grad():
        weight = batch.weight.unsqueeze(2)
        error = robust(output.base - batch.target) * weight
        count = weight.sum((1, 2, 3, 4), keepdim=True) * error.shape[2]
        scale: Tensor = error.sum((1, 2, 3, 4), keepdim=True) / count.clamp(min=1) + FLOOR
        return scale


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of (N, T, B, H, W) with weights (N, T, 1, H, W); 0 where nothing weighs."""
    total = (weight.sum() * values.shape[2]).clamp(min=1)
    return (values * weight).sum() / total


def likelihood(error: Tensor, log_std: Tensor) -> Tensor:
    """Negative log likelihood of a Laplace distribution of this standard deviation, up to a constant.

    error, log_std : (N, T, B, H, W), unit 1 and the logarithm of it; what is returned has their shape.
    """
    scale = log_std.exp() * SQRT_HALF
    return error.abs() / scale + log_std


def gradient(error: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """Mean error of the differences between neighbours that both count; error (N, T, B, H, W), weight (N, T, H, W)."""
    relative = error / scale
    across = _mean(relative.diff(dim=-1).abs(), (weight[..., 1:] * weight[..., :-1]).unsqueeze(2))
    down = _mean(relative.diff(dim=-2).abs(), (weight[..., 1:, :] * weight[..., :-1, :]).unsqueeze(2))
    return across + down


def spectral_angle(estimate: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean angle, radians, between spectra (N, T, B, H, W); 0 for a single band."""
    if estimate.shape[2] < 2:
        return estimate.new_zeros(())
    cosine = F.cosine_similarity(estimate.float(), target.float(), dim=2, eps=1e-3)
    angle = (2 - 2 * cosine).clamp(min=1e-6).sqrt()  # the chord: the angle where it is small, without its pole
    return (angle * weight).sum() / weight.sum().clamp(min=1)


def contamination(logit: Tensor, contaminated: Tensor) -> Tensor:
    """Mean cross entropy over the pixels that are to be judged (not NaN), (N, T, H, W) each."""
    judged = contaminated.isfinite()
    entropy = F.binary_cross_entropy_with_logits(logit.float(), contaminated.nan_to_num(), reduction="none")
    return (entropy * judged).sum() / judged.sum().clamp(min=1)
