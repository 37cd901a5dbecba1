"""The published networks behind the call of `Seq2Seq`: what trains, judges and uses ours does so with theirs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clearcube.errors import InputError
from clearcube.networks import ganfilling, utilise
from clearcube.networks.features import completed, series
from clearcube.networks.ganfilling import Generator
from clearcube.networks.seq2seq import Output, Seq2Seq
from clearcube.networks.utilise import Utilise

LOG_STD = -4.0
"""What stands for the logarithm of the std, which published networks do not give."""
BELIEVED = -20.0
"""What stands for the logit of contamination, which they do not judge."""
LEARNT = ("distance", "absolute", "gradient", "spectral")
"""Parts of a loss that depend on the estimate alone: all that a published network can learn from."""


class Wrapped(nn.Module):
    """A published network with the call and the output of `Seq2Seq`. Its std and contamination are constants."""

    def __init__(self, network: Generator | Utilise) -> None:
        super().__init__()
        self.network = network
        self.config = network.config

    def forward(
        self, reflectance: Tensor, observed: Tensor, days: Tensor, day_of_year: Tensor, wavelengths: Tensor
    ) -> Output:
        """Estimate every pixel and date; parameters and result as `Seq2Seq.forward`.

        A ganfilling sees what is not observed too, as published (clouds are left in); NaN is as bright as cloud.
        Give NaN where it must not look. The interpolation `base` is there to compare with; no published network
        starts from it.

        Raises
        ------
        InputError : another number of bands than the network was made for.
        """
        self._check(wavelengths.shape[-1])
        estimate = self._estimate(reflectance, observed, day_of_year)
        with torch.no_grad(), torch.autocast(reflectance.device.type, enabled=False):
            values, valid = _time_major(reflectance, observed)
            _, base = completed(series(values, valid, (days - days[:, :1]).float().transpose(0, 1)))
            values, valid, base = (part.transpose(0, 1) for part in (values, valid, base))
        logit = torch.full_like(valid[:, :, 0], BELIEVED, dtype=torch.float32)
        mean = torch.where(valid, values, estimate)
        return Output(mean, torch.full_like(estimate, LOG_STD), logit, base, estimate, valid.squeeze(2))

    def _estimate(self, reflectance: Tensor, observed: Tensor, day_of_year: Tensor) -> Tensor:
        """(N, T, B, H, W)."""
        if isinstance(self.network, Generator):
            images = ganfilling.published_input(reflectance).permute(0, 2, 3, 4, 1)
            filled: Tensor = self.network(images)
            return filled.float().permute(0, 4, 1, 2, 3)
        return self.network.fill(utilise.published_input(reflectance, observed), day_of_year).float()

    def _check(self, bands: int) -> None:
        if bands != self.config.bands:
            raise InputError(
                f"this network was made for {self.config.bands} bands, the cube has {bands}; choose them with the "
                "option 'bands', in the order blue, green, red, near infrared for published weights"
            )


def wrapped(network: nn.Module) -> nn.Module:
    """A network of any architecture with the call of `Seq2Seq`."""
    return Wrapped(network) if isinstance(network, Generator | Utilise) else network


def bare(network: nn.Module) -> nn.Module:
    """What `wrapped` was given."""
    return network.network if isinstance(network, Wrapped) else network


def learnt(network: nn.Module, part: str) -> bool:
    """Whether the network can learn from this part of a loss."""
    return isinstance(network, Seq2Seq) or part in LEARNT or part == "adversarial"


def _time_major(reflectance: Tensor, observed: Tensor) -> tuple[Tensor, Tensor]:
    """Finite values (T, N, B, H, W) and what is observed in all bands (T, N, 1, H, W)."""
    valid = (observed & reflectance.sum(2).isfinite()).unsqueeze(2).transpose(0, 1)
    return torch.where(valid, reflectance.float().transpose(0, 1), 0.0), valid
