import pytest
import torch

from clearcube.errors import InputError
from clearcube.networks.adapters import Wrapped, bare, wrapped
from clearcube.networks.ganfilling import GanFillingConfig, Generator
from clearcube.networks.ganfilling import published_input as ganfilling_input
from clearcube.networks.seq2seq import Seq2Seq, Seq2SeqConfig
from clearcube.networks.utilise import Utilise, UtiliseConfig
from clearcube.networks.utilise import published_input as utilise_input

GANFILLING, UTILISE = Generator(GanFillingConfig(2)).eval(), Utilise(UtiliseConfig(4, 8)).eval()
DAYS = torch.tensor([[0.0, 5, 10, 20]])


def given():
    torch.manual_seed(0)
    observed = torch.rand(1, 4, 20, 24) > 0.3
    reflectance = torch.rand(1, 4, 4, 20, 24).masked_fill(~observed.unsqueeze(2), float("nan"))
    return reflectance, observed, DAYS, DAYS + 100, torch.linspace(450, 850, 4)


@torch.no_grad()
@pytest.mark.parametrize("network", [GANFILLING, UTILISE], ids=lambda network: type(network).__name__)
def test_the_estimate_is_the_networks_own_output(network):
    inputs = given()
    out = wrapped(network)(*inputs)
    if isinstance(network, Generator):
        own = network(ganfilling_input(inputs[0]).permute(0, 2, 3, 4, 1)).permute(0, 4, 1, 2, 3)
    else:
        own = network(utilise_input(*inputs[:2]), inputs[3])
    torch.testing.assert_close(out.estimate, own)
    observed = inputs[1].unsqueeze(2).expand_as(own)
    assert out.mean[observed].equal(inputs[0][observed])
    assert out.mean[~observed].equal(out.estimate[~observed])
    assert out.believed.equal(inputs[1])


@torch.no_grad()
def test_the_interpolation_beside_it_is_that_of_seq2seq():
    inputs = given()
    ours = Seq2Seq(Seq2SeqConfig((4, 4), (2,), (4, 4), (2,), basis=3)).eval()(*inputs, disbelief=1.0)
    torch.testing.assert_close(wrapped(UTILISE)(*inputs).base[..., 1:, 1:], ours.base[..., 1:, 1:])


@torch.no_grad()
def test_what_a_mask_hides_changes_nothing_for_utilise():
    reflectance, observed, *rest = given()
    other = reflectance.nan_to_num(nan=0.3)
    assert wrapped(UTILISE)(reflectance, observed, *rest).estimate.equal(
        wrapped(UTILISE)(other, observed, *rest).estimate
    )


def test_another_number_of_bands_is_refused():
    reflectance, *rest = given()
    with pytest.raises(InputError, match="made for 4 bands, the cube has 3; choose them"):
        wrapped(GANFILLING)(reflectance[:, :, :3], *rest[:3], rest[3][:3])


def test_our_own_network_needs_no_adapter():
    ours = Seq2Seq(Seq2SeqConfig((4, 4), (2,), (4, 4), (2,), basis=3))
    assert wrapped(ours) is ours and bare(ours) is ours
    assert isinstance(wrapped(UTILISE), Wrapped) and bare(wrapped(UTILISE)) is UTILISE


@torch.no_grad()
def test_what_misses_a_band_counts_as_not_observed():
    reflectance, observed, *rest = given()
    observed[0, 1, 2, 3], reflectance[0, 1, :, 2, 3] = True, torch.tensor([0.1, 0.2, torch.nan, 0.4])
    out = wrapped(UTILISE)(reflectance, observed, *rest)
    assert out.believed.equal(observed & reflectance.isfinite().all(2)) and not out.believed[0, 1, 2, 3]
    assert out.mean[0, 1, :, 2, 3].equal(out.estimate[0, 1, :, 2, 3])
    assert out.mean.isfinite().all() and out.base.isfinite().all()
