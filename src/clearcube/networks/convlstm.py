"""Convolutional LSTM cells, and what runs them along time.

References
----------
Shi et al. (2015), Convolutional LSTM network, arXiv 1506.04214.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearcube.networks.lstm_kernels import step_kernel


def each_frame(layer: Callable[[Tensor], Tensor], sequence: Tensor) -> Tensor:
    """The layer on every frame of a sequence (T, N, ...), all in one call: (T, N, ...)."""
    return torch.unflatten(layer(sequence.flatten(0, 1)), 0, sequence.shape[:2])


def pointwise(layer: nn.Conv2d, x: Tensor, *, channels_last: bool = False) -> Tensor:
    """A 1x1 convolution of x (T, N, C, h, w), its result in memory with channels before or after pixels.

    A product of matrices: unlike a convolution it gives either order without a copy of what it read or made.
    """
    flat, weight = x.flatten(0, 1).flatten(2), layer.weight.flatten(1).expand(x.shape[0] * x.shape[1], -1, -1)
    assert layer.bias is not None
    if channels_last:
        out = torch.baddbmm(layer.bias, flat.mT, weight.mT).mT
    else:
        out = torch.baddbmm(layer.bias[:, None], weight, flat)
    return torch.unflatten(torch.unflatten(out, 2, x.shape[3:]), 0, x.shape[:2])


class State(NamedTuple):
    """What a cell remembers: hidden map h and memory c, each (N, hidden, h, w)."""

    h: Tensor
    c: Tensor


class ConvLSTMCell(nn.Module):
    """One step in time: a 3x3 convolution of [input, hidden] gives the gates input, forget, output, candidate."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.conv = nn.Conv2d(inputs + hidden, 4 * hidden, 3, padding=1, bias=False)

    def forward(self, x: Tensor, state: State) -> State:
        """The state after seeing x (N, inputs, h, w)."""
        return step(self.conv(torch.cat([x, state.h], 1)), state.c)

    def start(self, x: Tensor) -> State:
        """The state that knows nothing, zeros of the size of x (N, inputs, h, w)."""
        zeros = x.new_zeros(x.shape[0], self.hidden, *x.shape[2:])
        return State(zeros, zeros)

    def scan(self, sequence: Tensor) -> Tensor:
        """Hidden maps (T, N, hidden, h, w) along a sequence (T, N, inputs, h, w), forward in time from zeros."""
        state, hidden = self.start(sequence[0]), []
        for x in sequence:
            state = self(x, state)
            hidden.append(state.h)
        return torch.stack(hidden)

    def each_alone(self, sequence: Tensor) -> Tensor:
        """As `scan`, but every date starts from zeros: no recurrence."""

        def alone(x: Tensor) -> Tensor:
            return step(self.conv(torch.cat([x, self.start(x).h], 1)), self.start(x).c).h

        return each_frame(alone, sequence)


def step(gates: Tensor, memory: Tensor) -> State:
    """The LSTM's update from its gates (N, 4 hidden, h, w) and its memory (N, hidden, h, w)."""
    i, f, o, g = gates.chunk(4, 1)
    c = f.sigmoid() * memory + i.sigmoid() * g.tanh()
    return State(h=o.sigmoid() * c.tanh(), c=c)


class BidirectionalConvLSTM(nn.Module):
    """Both directions of time at once, for dates that are irregular and partly or wholly empty.

    The state is passed on only where the date saw something (`present`): elsewhere a date reads the state, gives its
    output, and leaves no trace. So an empty date more or less changes nothing at the others. How long ago the state
    was written belongs to the input (see `unet.Memory`).

    directions : 2; 1 = forward in time alone, so that no date knows of later ones.
    """

    def __init__(self, inputs: int, hidden: int, directions: int = 2) -> None:
        super().__init__()
        self.hidden, self.directions = hidden, directions
        maps = directions * hidden
        self.of_input = nn.Conv2d(inputs, 4 * maps, 1)  # (direction, gate, hidden)
        self.of_hidden = nn.Conv2d(maps, 4 * maps, 3, padding=1, bias=False, groups=directions)
        with torch.no_grad():
            assert self.of_input.bias is not None
            self.of_input.bias.view(directions, 4, hidden)[:, 1] += 1.0  # remember at first: forget gates near 0.73

    def forward(self, sequence: Tensor, present: Tensor) -> Tensor:
        """Hidden maps (T, N, directions x hidden, h, w): what each date knows of the earlier and of the later ones.

        sequence : (T, N, inputs, h, w), dates ascending.
        present : (T, N, 1, h, w) bool, True where the date saw something.
        """
        gates = pointwise(self.of_input, sequence)
        turned = torch.cat(_with_back_turned(gates.chunk(self.directions, 2)), 2)
        steps = torch.unflatten(turned, 2, (self.directions, 4, self.hidden))
        passing = torch.stack(_with_back_turned((present,) * self.directions), 2)
        compiled = gates.device.type == "cpu" and not torch.is_grad_enabled()
        hidden = (self.scan_compiled if compiled else self.scan)(steps, passing)
        return torch.cat(_with_back_turned(hidden.unbind(2)), 2)

    def scan(self, steps: Tensor, passing: Tensor) -> Tensor:
        """Hidden maps (T, N, D, hidden, h, w) of all D directions, each from its own first date.

        steps : (T, N, D, 4, hidden, h, w), what the input adds to the gates.
        passing : (T, N, D, 1, h, w) bool, where the state is passed on.
        """
        h = c = torch.zeros_like(steps[0, :, :, 0])
        weight, hidden = self.of_hidden.weight.to(h.dtype), []
        for given, passed_on in zip(steps, passing, strict=True):
            z = given + _recurrent(weight, h)
            i, f, o = z[:, :, :3].sigmoid().unbind(2)
            new_c = torch.addcmul(i * z[:, :, 3].tanh(), f, c)
            new_h = o * new_c.tanh()
            hidden.append(new_h)
            h, c = torch.where(passed_on, new_h, h), torch.where(passed_on, new_c, c)
        return torch.stack(hidden)

    def scan_compiled(self, steps: Tensor, passing: Tensor) -> Tensor:
        """As `scan`, without gradients, all but the convolutions in float32."""
        h, c = torch.zeros(2, *steps[0, :, :, 0].shape)
        weight, hidden = self.of_hidden.weight.to(steps.dtype), torch.empty(len(steps), *h.shape)
        for out, given, passed_on in zip(hidden, steps.float(), passing, strict=True):
            z = _recurrent(weight, h.to(steps.dtype)).float()
            arrays = (part.flatten(-2).numpy() for part in (given, z, passed_on.squeeze(2), c, h, out))
            step_kernel(*arrays)  # changes c, h and out, which share memory with their arrays
        return hidden.to(steps.dtype)


def _with_back_turned(parts: Sequence[Tensor]) -> list[Tensor]:
    """Sequences of the directions, ahead and back, the latter from its other end."""
    return [part.flip(0) if direction else part for direction, part in enumerate(parts)]


def _recurrent(weight: Tensor, h: Tensor) -> Tensor:
    """What the hidden maps (N, D, hidden, h, w) add to the gates (N, D, 4, hidden, h, w)."""
    directions = h.shape[1]
    return torch.unflatten(F.conv2d(h.flatten(1, 2), weight, padding=1, groups=directions), 1, (directions, 4, -1))
