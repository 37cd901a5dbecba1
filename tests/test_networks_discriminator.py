import math

import pytest
import torch

from clearcube.errors import InputError
from clearcube.networks.detail import detail
from clearcube.networks.discriminator import DiscriminatorConfig, PatchDiscriminator, strength
from clearcube.networks.spectral import projection

TINY = DiscriminatorConfig(width=4, halvings=1, basis=4)


def given(bands, seed=0):
    torch.manual_seed(seed)
    images, base = torch.rand(2, 3, bands, 32, 24) * 0.3, torch.rand(2, 3, bands, 32, 24) * 0.3
    observed, judged = (torch.rand(2, 3, 32, 24) > 0.4 for _ in range(2))
    return images, base, observed, judged, torch.tensor([[0.0, 5, 20], [3, 8, 9]])


@pytest.mark.parametrize("bands", [1, 4, 10])
def test_scores_of_any_bands(bands):
    torch.manual_seed(0)
    scores = PatchDiscriminator(TINY)(*given(bands), torch.linspace(450, 2200, bands))
    assert scores.shape == (2, 3, 4, 3)
    assert scores.std() > 0


@torch.no_grad()
def test_order_of_bands_and_own_wavelengths():
    torch.manual_seed(0)
    judge = PatchDiscriminator(TINY).eval()
    images, base, observed, judged, days = given(4)
    wavelengths = torch.tensor([490.0, 560, 665, 842])
    straight = judge(images, base, observed, judged, days, wavelengths)
    other = judge(
        images[:, :, [2, 0, 3, 1]], base[:, :, [2, 0, 3, 1]], observed, judged, days, wavelengths[[2, 0, 3, 1]]
    )
    torch.testing.assert_close(other, straight, atol=1e-5, rtol=0)
    torch.testing.assert_close(judge(images, base, observed, judged, days, wavelengths.expand(2, 4)), straight)


@torch.no_grad()
def test_a_date_is_judged_in_the_light_of_the_others():
    torch.manual_seed(0)
    judge = PatchDiscriminator(TINY).eval()
    images, base, observed, judged, days = given(2)
    before = judge(images, base, observed, judged, days, torch.tensor([490.0, 842]))
    images[:, 0] *= 1.5
    after = judge(images, base, observed, judged, days, torch.tensor([490.0, 842]))
    assert ((before - after).abs().amax((0, 2, 3)) > 0).all()


def test_every_convolution_is_normalised():
    judge = PatchDiscriminator(TINY).train()
    wavelengths = torch.tensor([490.0, 842])
    for _ in range(30):  # power iterations
        judge(*given(2), wavelengths)
    judge.eval()
    for layer in (*judge.down, judge.ahead.conv, judge.back.conv, judge.score):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.1)


def test_it_can_tell_noise_from_interpolation():
    torch.manual_seed(0)
    judge, wavelengths = PatchDiscriminator(TINY), torch.tensor([490.0, 842])
    images, base, observed, judged, days = given(2)
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2, betas=(0.5, 0.999))
    for _ in range(15):
        real, fake = (judge(x, base, observed, judged, days, wavelengths) for x in (images, base))
        loss = torch.relu(1 - real).mean() + torch.relu(1 + fake).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert real.mean() > fake.mean() + 0.5


def test_sizes_that_make_no_network_are_refused():
    with pytest.raises(InputError, match="at least 1"):
        DiscriminatorConfig(width=0)


@torch.no_grad()
def test_inputs_by_hand():
    judge, wavelengths = PatchDiscriminator(TINY).eval(), torch.tensor([490.0, 842])
    images, base, observed, judged, days = given(2)
    days[0] = torch.tensor([3.0, 13, 113])
    observed[0, 0], judged[0, 0] = True, False
    enter = projection(judge.enter(wavelengths))
    found = judge._inputs(images, base, observed, judged, days, wavelengths)
    since = torch.tensor([[0.0, 10, 60], [0, 5, 1]]) / 20 - 1  # sixty days at most
    fine = detail(base, torch.ones(2, 3, 1, 32, 24))
    for n in range(2):
        usual = fine[n].square().mean((0, 2, 3)).sqrt() + 0.002  # of each band, over the dates
        for t in range(3):
            kinds = [(observed & ~judged)[n, t].float(), judged[n, t].float()]
            strengths = [strength(images[n, t][None, None] / usual[:, None, None], k[None, None, None]) for k in kinds]
            shown = [torch.einsum("kb,bhw->khw", enter, 4 * each[0, 0]) for each in strengths]
            shares = [k.view(8, 4, 6, 4).mean((1, 3)) for k in kinds]
            expected = [*shown[0], *shown[1], *shares, since[n, t].expand(8, 6)]
            torch.testing.assert_close(found[t, n], torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_strength_by_hand():
    torch.manual_seed(0)
    images, valid = torch.randn(1, 1, 2, 8, 8), torch.rand(1, 1, 1, 8, 8) > 0.3
    valid[..., 4:, 4:] = False
    fine = detail(images, valid)[0, 0]
    found = strength(images, valid.float())[0, 0]
    assert found.shape == (2, 2, 2)
    power = fine[1, :4, 4:].square().sum() / valid[..., :4, 4:].sum()
    assert found[1, 0, 1].item() == pytest.approx(0.5 * (power + 0.01).log().item(), abs=1e-5)
    assert found[:, 1, 1].abs().max() == 0  # nothing valid
    assert strength(images * 0, valid.float())[0, 0, 0, 0, 0].item() == pytest.approx(math.log(0.1))


def test_stronger_detail_is_the_same_detail():
    torch.manual_seed(0)
    images = torch.randn(1, 1, 1, 4, 4, requires_grad=True)
    valid = torch.ones(1, 1, 1, 4, 4)
    strength(images, valid).sum().backward()
    with torch.no_grad():
        along = torch.cosine_similarity(detail(images.grad, valid).flatten(), detail(images, valid).flatten(), 0)
    assert along > 0.8  # what makes it stronger is what is there


@torch.no_grad()
def test_it_sees_how_strong_detail_is_and_nothing_else():
    judge, wavelengths = PatchDiscriminator(TINY).eval(), torch.tensor([490.0, 842])
    images, base, observed, judged, days = given(2)
    scores = judge(images, base, observed, judged, days, wavelengths)
    lighter = images + torch.rand(2, 3, 2, 1, 1)  # each date as a whole
    torch.testing.assert_close(judge(lighter, base, observed, judged, days, wavelengths), scores, rtol=0, atol=1e-4)
    other = torch.where((observed | judged).unsqueeze(2), images, 0.9)  # of neither kind
    torch.testing.assert_close(judge(other, base, observed, judged, days, wavelengths), scores, rtol=0, atol=1e-6)
    torch.testing.assert_close(
        judge(0.5 - images, base, observed, judged, days, wavelengths), scores, rtol=0, atol=1e-4
    )
    same = judge(4 * images, 4 * base, observed, judged, days, wavelengths)  # strong detail where it is usual
    torch.testing.assert_close(same, scores, rtol=0, atol=0.1)
    assert (judge(2 * images, base, observed, judged, days, wavelengths) - scores).abs().max() > 0.2


@torch.no_grad()
@pytest.mark.parametrize(("silent", "date", "changed"), [("ahead", 0, [0]), ("back", 2, [2])])
def test_one_memory_looks_ahead_and_the_other_one_back(silent, date, changed):
    judge = PatchDiscriminator(TINY).eval()
    cell = getattr(judge, silent)
    cell.scan = lambda x: x.new_zeros(*x.shape[:2], cell.hidden, *x.shape[3:])
    images, base, observed, judged, days = given(2)
    before = judge(images, base, observed, judged, days, torch.tensor([490.0, 842]))
    images[:, date] *= 1.5
    after = judge(images, base, observed, judged, days, torch.tensor([490.0, 842]))
    assert (before - after).abs().amax((0, 2, 3)).nonzero().flatten().tolist() == changed
