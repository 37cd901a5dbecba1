import torch

from clearcube.networks.convlstm import BidirectionalConvLSTM, ConvLSTMCell, State


def test_cell_is_the_equation():
    torch.manual_seed(0)
    cell = ConvLSTMCell(2, 3)
    x, state = torch.randn(1, 2, 4, 5), State(torch.randn(1, 3, 4, 5), torch.randn(1, 3, 4, 5))
    gates = cell.conv(torch.cat([x, state.h], 1))
    memory = torch.sigmoid(gates[:, 3:6]) * state.c + torch.sigmoid(gates[:, :3]) * torch.tanh(gates[:, 9:])
    new = cell(x, state)
    torch.testing.assert_close(new.c, memory)
    torch.testing.assert_close(new.h, torch.sigmoid(gates[:, 6:9]) * torch.tanh(memory))


def test_each_alone_is_a_scan_of_one_date():
    torch.manual_seed(0)
    cell, sequence = ConvLSTMCell(2, 3), torch.randn(4, 2, 2, 5, 6)
    alone = cell.each_alone(sequence)
    for t in range(4):
        torch.testing.assert_close(alone[t], cell.scan(sequence[t : t + 1])[0])


def bidirectional():
    torch.manual_seed(1)
    return BidirectionalConvLSTM(2, 3), torch.randn(5, 1, 2, 4, 6)


@torch.no_grad()
def test_both_directions_are_two_separate_cells():
    lstm, sequence = bidirectional()
    out = lstm(sequence, torch.ones(5, 1, 1, 4, 6, dtype=torch.bool))
    changed = sequence.clone()
    changed[3] += 1
    other = lstm(changed, torch.ones(5, 1, 1, 4, 6, dtype=torch.bool))
    assert torch.equal(out[:3, :, :3], other[:3, :, :3])  # forward in time sees no later date
    assert torch.equal(out[4, :, 3:], other[4, :, 3:])  # backward sees no earlier one
    assert (out[4, :, :3] != other[4, :, :3]).any()
    assert (out[:3, :, 3:] != other[:3, :, 3:]).any()


@torch.no_grad()
def test_reversing_time_swaps_the_directions():
    lstm, sequence = bidirectional()
    present = torch.rand(5, 1, 1, 4, 6) > 0.3
    out = lstm(sequence, present)
    mirrored = BidirectionalConvLSTM(2, 3)
    halves = {name: torch.cat(list(reversed(value.chunk(2)))) for name, value in lstm.state_dict().items()}
    mirrored.load_state_dict(halves)
    back = mirrored(sequence.flip(0), present.flip(0)).flip(0)
    torch.testing.assert_close(back, torch.cat(list(reversed(out.chunk(2, 2))), 2))


@torch.no_grad()
def test_an_absent_date_leaves_no_trace():
    lstm, sequence = bidirectional()
    present = torch.ones(5, 1, 1, 4, 6, dtype=torch.bool)
    present[2] = False
    out = lstm(sequence, present)
    keep = [0, 1, 3, 4]
    assert torch.equal(out[keep], lstm(sequence[keep], present[keep]))
    assert out[2].abs().sum() > 0
