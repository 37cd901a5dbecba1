import pytest
import torch

from clearcube.errors import InputError
from clearcube.networks.discriminator import DiscriminatorConfig, PatchDiscriminator
from clearcube.networks.spectral import projection

TINY = DiscriminatorConfig(width=4, halvings=3, basis=4)


def given(bands, seed=0):
    torch.manual_seed(seed)
    images, base = torch.rand(2, 3, bands, 32, 24) * 0.3, torch.rand(2, 3, bands, 32, 24) * 0.3
    return images, base, torch.rand(2, 3, 32, 24) > 0.5, torch.tensor([[0.0, 5, 20], [3, 8, 9]])


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
    images, base, observed, days = given(4)
    wavelengths = torch.tensor([490.0, 560, 665, 842])
    straight = judge(images, base, observed, days, wavelengths)
    other = judge(images[:, :, [2, 0, 3, 1]], base[:, :, [2, 0, 3, 1]], observed, days, wavelengths[[2, 0, 3, 1]])
    torch.testing.assert_close(other, straight, atol=1e-5, rtol=0)
    torch.testing.assert_close(judge(images, base, observed, days, wavelengths.expand(2, 4)), straight)


@torch.no_grad()
def test_a_date_is_judged_in_the_light_of_the_others():
    torch.manual_seed(0)
    judge = PatchDiscriminator(TINY).eval()
    images, base, observed, days = given(2)
    before = judge(images, base, observed, days, torch.tensor([490.0, 842]))
    images[:, 0] += 0.1
    after = judge(images, base, observed, days, torch.tensor([490.0, 842]))
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
    images, base, observed, days = given(2)
    optimizer = torch.optim.Adam(judge.parameters(), 1e-2, betas=(0.5, 0.999))
    for _ in range(15):
        real, fake = (judge(x, base, observed, days, wavelengths) for x in (images, base))
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
    images, base, observed, days = given(2)
    days[0] = torch.tensor([3.0, 13, 113])
    enter = projection(judge.enter(wavelengths))
    found = judge._inputs(images, base, observed, days, wavelengths)
    since = torch.tensor([[0.0, 10, 60], [0, 5, 1]]) / 20 - 1  # sixty days at most
    for n in range(2):
        for t in range(3):
            change, image = (torch.einsum("kb,bhw->khw", enter, x) for x in (images[n, t] - base[n, t], images[n, t]))
            expected = [*(25 * change), *(4 * image), observed[n, t].float(), since[n, t].expand(32, 24)]
            torch.testing.assert_close(found[t, n], torch.stack(expected), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(("silent", "date", "changed"), [("ahead", 0, [0]), ("back", 2, [2])])
def test_one_memory_looks_ahead_and_the_other_one_back(silent, date, changed):
    judge = PatchDiscriminator(TINY).eval()
    cell = getattr(judge, silent)
    cell.scan = lambda x: x.new_zeros(*x.shape[:2], cell.hidden, *x.shape[3:])
    images, base, observed, days = given(2)
    before = judge(images, base, observed, days, torch.tensor([490.0, 842]))
    images[:, date] += 0.1
    after = judge(images, base, observed, days, torch.tensor([490.0, 842]))
    assert (before - after).abs().amax((0, 2, 3)).nonzero().flatten().tolist() == changed
