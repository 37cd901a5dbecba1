"""What the network says of a part of a cube, and how much it is shown at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from clearcube.errors import InputError
from clearcube.filler import Block, at_dates
from clearcube.network_filler.adapted import network_with
from clearcube.network_filler.checkpoints import network_at
from clearcube.network_filler.hidden_gaps import Estimates
from clearcube.networks.checkpoint import architecture_of
from clearcube.networks.inference import applied
from clearcube.networks.seq2seq import Seq2Seq
from clearcube.networks.threads import torch_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clearcube.networks.seq2seq import Output

LARGEST_CELL = 128
"""Side of the cells, pixels: squares on a grid of the frame whose values come from one look at them and their halo. So
it does not matter to them which windows are filled, though the network sees farther than its halo."""
PIXEL_DATES = 2_000_000
"""Pixels times dates of four bands that the network sees at once, about one gigabyte; of more bands it sees fewer
(`at_once`). In longer series cells are halves and quarters
of `LARGEST_CELL`, so that up to 217 dates keep to it, and more take as much more; dates that nobody saw do not count,
for they are shown some at a time, for half as much again at most."""
BYTES, BYTES_OF_BAND = 443, 62
"""Memory for each pixel and date of four bands, and of a further one (twenty bands take 1,419, measured)."""
SMALLEST_CELL = 32
ABSURD = 1e6
"""Reflectance that no product holds, in any unit."""


def at_once(bands: int) -> int:
    """Pixels times dates of so many bands that the network sees at once: what a gigabyte holds.

    >>> at_once(4), at_once(10), at_once(20)
    (2000000, 1226993, 696864)
    """
    return min(PIXEL_DATES, int(1e9 / (BYTES + BYTES_OF_BAND * max(bands - 4, 0))))


def cell_size(n_dates: int, halo: int, bands: int = 4) -> int:
    """Side of the cells in a series of so many dates and bands, memory permitting.

    >>> [cell_size(n, halo=32) for n in (10, 54, 73, 200)], cell_size(54, halo=32, bands=10)
    ([128, 128, 64, 32], 64)
    """
    size = LARGEST_CELL
    while size > SMALLEST_CELL and (size + 2 * halo) ** 2 * n_dates > at_once(bands):
        size //= 2
    return size


def looks_of(observed: NDArray[np.bool_], bands: int = 4) -> list[NDArray[np.intp]]:
    """Positions of the dates that the network is shown together, ascending, for each look at a part (T, H, W).

    All dates on which something was observed are in each look, the others in one: as many as `at_once` leaves room for,
    or half of what it holds.
    """
    seen = observed.any(axis=(1, 2))
    most = at_once(bands) // observed[0].size
    room = max(most - int(seen.sum()), most // 2, 1)
    others = np.flatnonzero(~seen)
    parts = np.array_split(others, max(-(-others.size // room), 1))
    return [np.sort(np.concatenate([np.flatnonzero(seen), part])) for part in parts]


class Said(NamedTuple):
    """What the network says of T dates: estimates, its own mean (T, B, H, W), contamination (T, H, W)."""

    made: Estimates
    mean: NDArray[np.float32]
    contamination: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence[Said], dates: Sequence[NDArray[np.intp]]) -> Said:
        """All dates, of parts that hold the dates at these positions."""
        order = np.unique(np.concatenate(dates), return_index=True)[1]

        def all_of(arrays: Sequence[NDArray[Any]], axis: int = 0) -> NDArray[Any]:
            return np.concatenate(arrays, axis).take(order, axis)

        made = [part.made for part in parts]
        estimates = Estimates(
            all_of([each.means for each in made], 1),
            all_of([each.std for each in made]),
            all_of([each.believed for each in made]),
        )
        return cls(estimates, all_of([part.mean for part in parts]), all_of([part.contamination for part in parts]))


def said_of(network: Seq2Seq, block: Block, threads: int, precision: str) -> Said:
    """What the network says of a part, some of the dates that nobody saw at a time: they change no other date.

    Raises
    ------
    InputError : it says what is no number, by the input or by the weights.
    """
    looks, parts = looks_of(block.observed, len(block.bands)), []
    for dates in looks:
        shown = at_dates(block, dates)
        with torch_threads(threads):
            output = applied(network, shown, precision)
        contamination = torch.sigmoid(output.contamination_logit[0].float()).numpy()
        parts.append(Said(_estimates(output, shown), _array(output.mean), contamination))
    return parts[0] if len(parts) == 1 else Said.joined(parts, looks)


def estimates_of(network: Seq2Seq, threads: int, block: Block, *, precision: str = "auto") -> Estimates:
    """All estimates of a block from what it observed alone, with so many threads of torch."""
    with torch_threads(threads):
        output = applied(network, block, precision)
    return _estimates(output, block)


def _estimates(output: Output, block: Block) -> Estimates:
    """The estimates in the order of `ESTIMATES`.

    Raises
    ------
    InputError : they are not finite, by the input or by the weights.
    """
    made = Estimates(
        np.stack([_array(output.base), _array(output.estimate)]), _array(output.std), _array(output.believed)
    )
    if not block.observed.any() or (np.isfinite(made.means).all() and np.isfinite(made.std).all()):
        return made
    largest = float(np.abs(np.moveaxis(block.reflectance, 1, -1)[block.observed]).max())
    if largest > ABSURD:
        raise InputError(
            f"an observed value is {largest:.4g}, which is no reflectance and leaves no room for others; name it with "
            "nodata, or mask it"
        )
    raise InputError("the network's estimates are not finite numbers: its weights cannot be used; give others")


def _array(values: torch.Tensor) -> NDArray[Any]:
    """The first sample as an array, numbers as float32."""
    first = values[0].cpu()
    return np.asarray(first.numpy() if first.dtype == torch.bool else first.float().numpy())


def network_of(path: str, digest: str | None = None, weights: bytes | None = None) -> Seq2Seq:
    """The network of a checkpoint; with these tensors, where they are given."""
    model = network_at(path, digest)
    if not isinstance(model, Seq2Seq):
        raise InputError(f"{path} holds {architecture_of(model)}, not seq2seq; give other weights")
    return model if weights is None else network_with(model, weights)
