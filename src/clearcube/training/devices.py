"""Where a run computes: the one device at hand, or several through Lightning Fabric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from clearcube.errors import InputError

if TYPE_CHECKING:
    from clearcube.training.samples import Batch
    from clearcube.training.step import Learner


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

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss."""
        loss.backward()  # type: ignore[no-untyped-call]

    def agreed(self, decision: bool) -> bool:
        """What the first process decided."""
        return decision


class SeveralDevices(OneDevice):
    """One process for each device; gradients are averaged over all of them.

    Raises
    ------
    InputError : Lightning Fabric is not installed.
    """

    def __init__(self, count: int, accelerator: str = "auto") -> None:
        try:
            from lightning_fabric import Fabric
        except ImportError:
            raise InputError(
                "several devices need Lightning Fabric: pip install lightning-fabric, or set optimisation.devices to 1"
            ) from None
        self._fabric: Any = Fabric(accelerator=accelerator, devices=count, strategy="ddp" if count > 1 else "auto")
        self._fabric.launch()
        self.device, self.rank, self.count = self._fabric.device, self._fabric.global_rank, self._fabric.world_size

    def place(self, learner: Learner) -> None:
        """Hand networks and optimisers to Fabric; the average is kept on every device alike."""
        learner.generator, learner.optimiser = self._set_up(_AsDict(learner.generator), learner.optimiser)
        learner.average.to(self.device)
        if learner.discriminator is not None:
            judge, judging = self._set_up(learner.discriminator, learner.discriminator_optimiser)
            learner.discriminator, learner.discriminator_optimiser = judge, judging

    def _set_up(self, network: nn.Module, optimiser: torch.optim.Optimizer | None) -> Any:
        return self._fabric.setup(network, optimiser)

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss, averaged over the devices."""
        self._fabric.backward(loss)

    def agreed(self, decision: bool) -> bool:
        """What the first process decided."""
        return bool(self._fabric.broadcast(decision))


class _AsDict(nn.Module):
    """A network whose output is a dict rather than a frozen dataclass, which Fabric cannot pass on."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        return dict(vars(self.inner(*inputs)))

    def state_dict(self, *args: Any, **options: Any) -> Any:
        """That of the network itself."""
        return self.inner.state_dict(*args, **options)


def chosen(count: int) -> OneDevice:
    """Where to compute with so many devices."""
    return OneDevice() if count == 1 else SeveralDevices(count)
