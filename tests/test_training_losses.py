import math

import pytest
import torch

from clearcube.networks.seq2seq import Output
from clearcube.training.losses import contamination, gradient, likelihood, loss_terms, robust, spectral_angle
from clearcube.training.samples import Batch

SHAPE = (2, 3, 4, 8, 8)


def batch(target, weight):
    n, t, b, h, w = target.shape
    observed = weight == 0
    return Batch(
        target * 0, observed, target, weight, observed, torch.zeros(n, t, h, w), torch.arange(t).expand(n, t).float(),
        torch.ones(n, t), torch.linspace(450, 900, b).expand(n, b),
    )  # fmt: skip


def output(estimate, base):
    n, t, _, h, w = estimate.shape
    logit = torch.full((n, t, h, w), -20.0)
    return Output(estimate, torch.full_like(estimate, -4.0), logit, base, estimate, torch.ones(n, t, h, w).bool())


def test_perfect_estimates_cost_nothing_but_their_likelihood():
    target = torch.rand(SHAPE)
    terms = loss_terms(output(target, target + 0.1), batch(target, torch.ones(2, 3, 8, 8)))
    for name in ("distance", "gradient", "contamination", "believed"):
        assert float(terms[name]) == pytest.approx(0, abs=1e-6), name
    assert float(terms["likelihood"]) == pytest.approx(-4)


def test_errors_count_only_where_there_is_weight():
    target = torch.rand(SHAPE)
    weight = torch.zeros(2, 3, 8, 8)
    weight[:, 1] = 1
    wrong = target.clone()
    wrong[:, [0, 2]] += 9
    assert float(loss_terms(output(wrong, target + 0.1), batch(target, weight))["distance"]) == pytest.approx(
        0, abs=1e-6
    )


def test_interpolation_itself_costs_about_one_in_every_sample():
    target = torch.rand(SHAPE)
    base = target + torch.tensor([0.1, 0.4]).view(2, 1, 1, 1, 1)
    cost = float(loss_terms(output(base, base), batch(target, torch.ones(2, 3, 8, 8)))["distance"])
    assert 0.9 < cost < 1


def test_robust_is_square_near_zero_and_absolute_far_out():
    assert float(robust(torch.tensor(1e-4))) == pytest.approx(1e-8 / 0.04, rel=1e-2)
    assert float(robust(torch.tensor(2.0))) == pytest.approx(1.98, rel=1e-3)


def test_likelihood_is_least_at_the_true_spread():
    error = torch.distributions.Laplace(0.0, 0.02).sample((200_000,))
    costs = {s: float(likelihood(error, torch.tensor(math.log(s * 0.02 * 2**0.5))).mean()) for s in (0.7, 1.0, 1.4)}
    assert min(costs, key=costs.get) == 1.0


def test_a_constant_error_has_no_gradient():
    one = torch.ones(1, 1, 1, 1, 1)
    assert float(gradient(torch.full(SHAPE, 0.3), torch.ones(2, 3, 8, 8), one)) == 0
    ramp = torch.arange(8.0).expand(SHAPE)
    assert float(gradient(ramp, torch.ones(2, 3, 8, 8), one)) == pytest.approx(1)


def test_spectra_of_the_same_shape_have_no_angle_and_one_band_has_none():
    target, weight = torch.rand(SHAPE) + 0.1, torch.ones(2, 3, 8, 8)
    assert float(spectral_angle(target * 2, target, weight)) < 2e-3
    tilted = torch.tensor([1.0, 0.0]).view(1, 1, 2, 1, 1), torch.tensor([1.0, 0.02]).view(1, 1, 2, 1, 1)
    assert float(spectral_angle(*tilted, torch.ones(1, 1, 1, 1))) == pytest.approx(0.02, rel=1e-2)
    assert float(spectral_angle(target[:, :, :1], target[:, :, 1:2], weight)) == 0


def test_only_judged_pixels_enter_the_cross_entropy():
    logit = torch.tensor([[[[0.0, 50.0, -50.0, 70.0]]]])
    label = torch.tensor([[[[1.0, 1.0, 0.0, float("nan")]]]])
    assert float(contamination(logit, label)) == pytest.approx(math.log(2) / 3)


def test_believed_counts_what_is_known_alone():
    target = torch.rand(SHAPE)
    known = torch.zeros(2, 3, 8, 8, dtype=torch.bool)
    known[:, 1] = True
    seen = torch.ones(2, 3, 8, 8, dtype=torch.bool)
    wrong = target.clone()
    wrong[:, [0, 2]] += 9  # observed, but nobody knows the truth there
    given = batch(target, torch.zeros(2, 3, 8, 8))._replace(observed=seen, known=known)
    assert float(loss_terms(output(wrong, target), given)["believed"]) == pytest.approx(0, abs=1e-6)
    wrong = target.clone()
    wrong[:, 1] += 9
    assert float(loss_terms(output(wrong, target), given)["believed"]) > 1


def test_spectra_and_differences_count_only_where_there_is_weight():
    target, weight = torch.rand(SHAPE) + 0.1, torch.zeros(2, 3, 8, 8)
    weight[..., 2:6, 2:6] = 1
    wrong = target.clone()
    wrong[:, :, 0] += torch.where(weight > 0, 0.0, 9.0)
    right = spectral_angle(target, target, weight)
    assert float(spectral_angle(wrong, target, weight)) == pytest.approx(float(right), abs=1e-6)
    one = torch.ones(1, 1, 1, 1, 1)
    assert float(gradient(wrong - target, weight, one)) == 0


def test_absolute_is_a_mean_over_all_pixels():
    target, weight = torch.zeros(SHAPE), torch.zeros(2, 3, 8, 8)
    weight[:, 1] = 1
    found = loss_terms(output(target + 0.3, target), batch(target, weight))["absolute"]
    assert float(found) == pytest.approx(0.3 / 3)
