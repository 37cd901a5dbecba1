"""Where a run computes: the one device at hand, or several through Lightning Fabric."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import nn

from clearcube.errors import InputError

if TYPE_CHECKING:
    from clearcube.training.samples import Batch
    from clearcube.training.step import Learner

T = TypeVar("T")


class OneDevice:
    """The GPU if there is one, else the processor."""

    rank = 0
    count = 1

    def __init__(self) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def place(self, learner: Learner) -> None:
        """Move the networks there; their optimisers' state follows them."""
        for part in (learner.generator, learner.average, learner.discriminator):
            if part is not None:
                part.to(self.device)
        for optimiser in (learner.optimiser, learner.discriminator_optimiser):
            if optimiser is not None:
                optimiser.load_state_dict(optimiser.state_dict())  # state is cast to where the weights are

    def moved(self, batch: Batch) -> Batch:
        """The batch on the device."""
        return batch.to(self.device)

    def average_gradients(self, network: nn.Module) -> None:
        """Make the gradients the same on all devices: their mean."""

    def agreed(self, value: T) -> T:
        """What the first process says."""
        return value

    def anywhere(self, flag: bool) -> bool:
        """Whether the flag is set on any device."""
        return flag


class SeveralDevices(OneDevice):
    """One process for each device, started by Fabric; all hold the same weights and differ in their samples.

    Raises
    ------
    InputError : Lightning Fabric is not installed, or there are fewer devices.
    """

    def __init__(self, count: int, accelerator: str = "auto") -> None:
        try:
            from lightning_fabric import Fabric
            from lightning_fabric.utilities.exceptions import MisconfigurationException
        except ImportError:
            raise InputError(
                "several devices need Lightning Fabric: pip install lightning-fabric, or set optimisation.devices to 1"
            ) from None
        try:
            self._fabric: Any = Fabric(accelerator=accelerator, devices=count, strategy="ddp" if count > 1 else "auto")
        except MisconfigurationException as error:
            raise InputError(f"optimisation.devices is {count}, but there are fewer here ({error})") from None
        self._fabric.launch()
        self.device, self.rank, self.count = self._fabric.device, self._fabric.global_rank, self._fabric.world_size

    def average_gradients(self, network: nn.Module) -> None:
        """Make the gradients the same on all devices: their mean, in one message."""
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        if self.count == 1 or not gradients:
            return
        mean = self._fabric.all_reduce(torch.cat([g.flatten() for g in gradients]), reduce_op="mean")
        for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def agreed(self, value: T) -> T:
        """What the first process says."""
        said: T = self._fabric.broadcast(value)
        return said

    def anywhere(self, flag: bool) -> bool:
        """Whether the flag is set on any device."""
        count = torch.tensor(float(flag), device=self.device)
        return bool(self._fabric.all_reduce(count, reduce_op="sum") > 0)


def first_process() -> bool:
    """Whether this process is the only one, or the first of those that Fabric started; the others keep quiet."""
    return all(os.environ.get(name, "0") == "0" for name in ("LOCAL_RANK", "NODE_RANK"))


def chosen(count: int) -> OneDevice:
    """Where to compute with so many devices."""
    return OneDevice() if count == 1 else SeveralDevices(count)
