"""Convolutional LSTM cells, and what runs them along time.

References
----------
Shi et al. (2015), Convolutional LSTM network, arXiv 1506.04214.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


def each_frame(layer: Callable[[Tensor], Tensor], sequence: Tensor) -> Tensor:
    """The layer on every frame of a sequence (T, N, ...), all in one call: (T, N, ...)."""
    return torch.unflatten(layer(sequence.flatten(0, 1)), 0, sequence.shape[:2])


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
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.of_input = nn.Conv2d(inputs, 8 * hidden, 1)  # (direction, gate, hidden)
        self.of_hidden = nn.Conv2d(2 * hidden, 8 * hidden, 3, padding=1, bias=False, groups=2)
        with torch.no_grad():
            assert self.of_input.bias is not None
            self.of_input.bias.view(2, 4, hidden)[:, 1] += 1.0  # remember at first: forget gates near 0.73

    def forward(self, sequence: Tensor, present: Tensor) -> Tensor:
        """Hidden maps (T, N, 2 hidden, h, w): what each date knows of the earlier and of the later ones.

        sequence : (T, N, inputs, h, w), dates ascending.
        present : (T, N, 1, h, w) bool, True where the date saw something.
        """
        gates = each_frame(self.of_input, sequence)
        ahead, back = gates.contiguous().chunk(2, 2)
        h = c = gates.new_zeros(sequence.shape[1], 2, self.hidden, *gates.shape[3:])
        hidden = []
        for t in range(len(sequence)):
            both = torch.cat([ahead[t], back[-1 - t]], 1)
            z = both + self.of_hidden(h.flatten(1, 2))
            new = self._step(torch.unflatten(z, 1, (2, 4, self.hidden)), c)
            hidden.append(new.h)
            passed_on = torch.stack([present[t], present[-1 - t]], 1)
            h, c = torch.where(passed_on, new.h, h), torch.where(passed_on, new.c, c)
        return torch.stack([torch.cat([hidden[t][:, 0], hidden[-1 - t][:, 1]], 1) for t in range(len(sequence))])

    @staticmethod
    def _step(z: Tensor, c: Tensor) -> State:
        """As `step` for gates (N, 2, 4, hidden, h, w) and memory (N, 2, hidden, h, w)."""
        i, f, o = z[:, :, :3].sigmoid().unbind(2)
        c = torch.addcmul(i * z[:, :, 3].tanh(), f, c)
        return State(h=o * c.tanh(), c=c)
