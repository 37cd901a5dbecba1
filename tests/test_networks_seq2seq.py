from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube.errors import InputError
from clearcube.networks.band_unet import whole
from clearcube.networks.detail import detail
from clearcube.networks.features import LARGEST_ANOMALY, NEVER_DAYS, echo, series, series_so_far, smoother
from clearcube.networks.seq2seq import Seq2Seq, Seq2SeqConfig
from clearcube.networks.spectral import SpectralBasis, projection

TINY = Seq2SeqConfig((6, 8, 8), (4, 4), (4, 4), (4,), basis=4, sharpened=True)
WAVELENGTHS = torch.tensor([490.0, 560.0, 665.0, 842.0])


def network(config=TINY, seed=0, head=0.3):
    """A network whose last layers say something."""
    torch.manual_seed(seed)
    model = Seq2Seq(config).eval()
    with torch.no_grad():
        model.fill.head_weight.normal_(0, head)
        model.look.head_weight.normal_(0, 3 * head)
        model.spread_by_gap.weight.normal_(0, head)
        if model.sharpening is not None:
            model.sharpening.weight.normal_(0, head)
    return model


def scene(samples=1, times=6, bands=4, height=20, width=17, seed=0, hidden=0.5):
    """Reflectance (NaN where hidden), observed, days, day of year."""
    rng = np.random.default_rng(seed)
    reflectance = rng.uniform(0, 0.4, (samples, times, bands, height, width)).astype(np.float32)
    observed = rng.random((samples, times, height, width)) > hidden
    days = np.cumsum(rng.integers(1, 12, (samples, times)), 1).astype(np.float32)
    reflectance[~np.broadcast_to(observed[:, :, None], reflectance.shape)] = np.nan
    return tuple(torch.from_numpy(a) for a in (reflectance, observed, days, 100 + days))


def linear_by_date(reflectance, observed, days):
    """(N, T, B, H, W) by `np.interp`; NaN where never observed."""
    out = np.full(reflectance.shape, np.nan)
    samples, _, bands, height, width = reflectance.shape
    for n, b, y, x in np.ndindex(samples, bands, height, width):
        seen = observed[n, :, y, x]
        if seen.any():
            out[n, :, b, y, x] = np.interp(days[n], days[n, seen], reflectance[n, seen, b, y, x])
    return out


def test_untrained_network_is_linear_interpolation_by_date():
    reflectance, observed, days, season = scene(samples=2, hidden=0.6)
    out = Seq2Seq(TINY).eval()(reflectance, observed, days, season, WAVELENGTHS)
    expected = linear_by_date(*(a.numpy() for a in (reflectance, observed, days)))
    seen = observed.any(1)[:, None, None].expand(reflectance.shape)
    kept = observed[:, :, None].expand(reflectance.shape)
    for field in (out.mean, out.base):
        np.testing.assert_allclose(field.detach()[seen], expected[seen.numpy()], atol=2e-6)
    assert torch.equal(out.estimate[~kept], out.mean[~kept])
    assert all(value.isfinite().all() for value in vars(out).values())
    assert torch.equal(out.believed, observed)
    assert torch.equal(out.mean[kept], reflectance[kept])
    assert ((out.std > 0.01) & (out.std < 0.03)).all()


def test_pixels_without_any_observation_take_the_mean_of_the_others():
    reflectance, observed, days, season = scene(height=16, width=16)
    observed[..., 3, 4] = False
    out = Seq2Seq(TINY).eval()(reflectance, observed, days, season, WAVELENGTHS)
    base = out.base[..., observed[0].any(0)]
    torch.testing.assert_close(out.base[..., 3, 4], base.mean(-1))
    nothing = Seq2Seq(TINY).eval()(reflectance, torch.zeros_like(observed), days, season, WAVELENGTHS)
    assert nothing.mean.isfinite().all() and nothing.log_std.isfinite().all()


@torch.no_grad()
@settings(max_examples=12, deadline=None)
@given(st.integers(1, 9), st.integers(1, 20), st.integers(1, 19), st.integers(1, 19), st.integers(1, 2))
def test_any_shape(times, bands, height, width, samples):
    reflectance, observed, days, season = scene(samples, times, bands, height, width)
    out = network()(reflectance, observed, days, season, torch.linspace(400, 2400, bands))
    assert out.mean.shape == out.log_std.shape == out.base.shape == reflectance.shape
    assert out.contamination_logit.shape == out.believed.shape == observed.shape
    assert all(value.isfinite().all() for value in vars(out).values())


@torch.no_grad()
def test_two_hundred_dates():
    reflectance, observed, days, season = scene(times=200, bands=1, height=8, width=8)
    assert network()(reflectance, observed, days, season, WAVELENGTHS[:1]).mean.isfinite().all()


@torch.no_grad()
@settings(max_examples=5, deadline=None)
@given(st.permutations(range(4)))
def test_the_order_of_bands_changes_nothing(order):
    reflectance, observed, days, season = scene()
    model = network()
    straight = model(reflectance, observed, days, season, WAVELENGTHS)
    other = model(reflectance[:, :, order], observed, days, season, WAVELENGTHS[order])
    torch.testing.assert_close(other.mean, straight.mean[:, :, order], atol=1e-5, rtol=0)
    torch.testing.assert_close(other.log_std, straight.log_std[:, :, order], atol=1e-4, rtol=0)
    torch.testing.assert_close(other.contamination_logit, straight.contamination_logit, atol=1e-3, rtol=0)


@torch.no_grad()
def test_samples_with_their_own_bands_equal_each_alone():
    reflectance, observed, days, season = scene(samples=2)
    wavelengths = torch.stack([WAVELENGTHS, torch.tensor([443.0, 740.0, 1610.0, 2190.0])])
    model = network()
    both = model(reflectance, observed, days, season, wavelengths)
    for n in range(2):
        alone = model(*(a[n : n + 1] for a in (reflectance, observed, days, season)), wavelengths[n])
        torch.testing.assert_close(both.mean[n : n + 1], alone.mean, atol=1e-5, rtol=0)
        torch.testing.assert_close(both.log_std[n : n + 1], alone.log_std, atol=1e-4, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("value", [0.0, 5.0, torch.nan, torch.inf])
def test_hidden_values_have_no_influence(value):
    reflectance, observed, days, season = scene()
    other = torch.where(observed[:, :, None], reflectance, value)
    model = network()
    first, second = (model(r, observed, days, season, WAVELENGTHS) for r in (reflectance, other))
    assert all(torch.equal(vars(first)[name], vars(second)[name]) for name in vars(first))


@torch.no_grad()
def test_observed_pixels_with_a_missing_band_count_as_hidden():
    reflectance, observed, days, season = scene(hidden=0.3)
    damaged = reflectance.clone()
    damaged[:, 2, 1] = torch.nan
    without = observed.clone()
    without[:, 2] = False
    model = network()
    first = model(damaged, observed, days, season, WAVELENGTHS)
    assert torch.equal(first.mean, model(reflectance, without, days, season, WAVELENGTHS).mean)


@torch.no_grad()
def test_an_inserted_empty_date_leaves_the_others_as_they_are():
    reflectance, observed, days, season = scene(hidden=0.3)
    days = days + torch.arange(6)  # room between dates
    model = network()
    before = model(reflectance, observed, days, season, WAVELENGTHS)
    keep = [0, 1, 2, 4, 5, 6]
    longer = [torch.zeros(1, 7, *a.shape[2:], dtype=a.dtype) for a in (reflectance, observed, days, season)]
    for new, old in zip(longer, (reflectance, observed, days, season), strict=True):
        new[:, keep] = old
    longer[2][:, 3] = days[:, 3] - 1
    after = model(*longer, WAVELENGTHS)
    torch.testing.assert_close(after.mean[:, keep], before.mean, atol=1e-5, rtol=0)
    torch.testing.assert_close(after.log_std[:, keep], before.log_std, atol=1e-4, rtol=0)
    assert (after.mean[:, 3] - after.base[:, 3]).abs().max() > 1e-3  # the network speaks there too


@torch.no_grad()
def test_disbelieved_pixels_are_kept_out_of_the_interpolation():
    reflectance, observed, days, season = scene(hidden=0.3)
    model = network()
    model.look.head_bias.zero_()
    out = model(reflectance, observed, days, season, WAVELENGTHS)
    doubtful = observed & (out.contamination_logit.sigmoid() > 0.5)
    left = observed & ~doubtful
    assert doubtful.any() and torch.equal(out.believed, torch.where(left.any(1, keepdim=True), left, observed))
    expected = linear_by_date(*(a.numpy() for a in (reflectance, out.believed, days)))
    seen = out.believed.any(1)[:, None, None].expand(reflectance.shape)
    np.testing.assert_allclose(out.base[seen], expected[seen.numpy()], atol=2e-6)
    trusting = model(reflectance, observed, days, season, WAVELENGTHS, disbelief=1.0)
    assert torch.equal(trusting.believed, observed)
    assert torch.equal(trusting.contamination_logit, out.contamination_logit)


@torch.no_grad()
def test_shifted_windows_agree_where_far_from_their_edges():
    reflectance, observed, days, season = scene(times=4, height=112, width=128, hidden=0.2)
    config = Seq2SeqConfig((6, 8), (4,), (4, 4), (0,), basis=4)
    model = network(config)
    whole = model(reflectance, observed, days, season, WAVELENGTHS)
    part = model(reflectance[..., 16:, 32:], observed[..., 16:, 32:], days, season, WAVELENGTHS)
    seen = observed.any(1)[0, 64:, 80:]
    inner, same = part.mean[..., 48:, 48:], whole.mean[..., 64:, 80:]
    torch.testing.assert_close(inner[..., seen], same[..., seen], atol=1e-5, rtol=0)


def leave_one_out(values, valid, days, t, fit):
    """`fit(days, values, target)` on the other valid dates of one pixel."""
    others = valid.copy()
    others[t] = False
    return fit(days[others], values[others], days[t]) if others.any() else None


def test_series_against_a_naive_loop():
    rng = np.random.default_rng(3)
    values, valid = rng.uniform(0, 0.2, 9).astype(np.float32), rng.random(9) > 0.4
    days = np.cumsum(rng.integers(1, 9, 9)).astype(np.float32)
    as_tensor = [torch.from_numpy(a).reshape(9, 1, 1, 1, 1) for a in (values, valid)]
    s = series(*as_tensor, torch.from_numpy(days)[:, None])
    interpolation, anomaly = s.interpolation.flatten().numpy(), s.anomaly.flatten().numpy()
    for t in range(9):
        expected = leave_one_out(values, valid, days, t, lambda d, v, at: np.interp(at, d, v))
        assert interpolation[t] == pytest.approx(expected, abs=1e-6)
        assert anomaly[t] == pytest.approx(values[t] - expected if valid[t] else 0.0, abs=1e-6)
        earlier = [days[t] - days[k] for k in range(t) if valid[k]]
        assert s.before[t].item() == (min(earlier) if earlier else NEVER_DAYS)
        expected = leave_one_out(anomaly, valid, days, t, lambda d, v, at: np.interp(at, d, v))
        assert echo(s)[t].item() == pytest.approx(expected, abs=1e-6)


def test_smoother_against_weighted_least_squares():
    rng = np.random.default_rng(4)
    values, valid = rng.uniform(0, 0.2, 12).astype(np.float32), rng.random(12) > 0.3
    days = np.cumsum(rng.integers(1, 9, 12)).astype(np.float32)
    as_tensor = [torch.from_numpy(a).reshape(12, 1, 1, 1, 1) for a in (values, valid)]
    s = series(*as_tensor, torch.from_numpy(days)[:, None])
    found = smoother(s, torch.from_numpy(days)[:, None], 15.0).flatten().numpy()
    for t in range(12):
        u = (days - days[t]) / 15
        weight = np.exp(-0.5 * u**2) * valid * (np.arange(12) != t)
        design = np.stack([np.ones(12), u], 1)
        normal = design.T @ (weight[:, None] * design) + 0.1 * np.eye(2)
        expected = np.linalg.solve(normal, design.T @ (weight * (values - s.interpolation.flatten().numpy()[t])))[0]
        assert found[t] == pytest.approx(expected, abs=1e-5)


def test_straight_lines_are_left_alone():
    days = torch.tensor([0.0, 5, 8, 20, 33, 40])[:, None]
    values = (0.1 + 0.004 * days).reshape(6, 1, 1, 1, 1)
    s = series(values, torch.ones_like(values, dtype=torch.bool), days)
    assert s.anomaly[1:-1].abs().max() < 1e-6
    assert echo(s)[2:-2].abs().max() < 1e-6


def test_projection_recovers_spectra_of_the_basis():
    torch.manual_seed(0)
    basis = SpectralBasis(3)(torch.linspace(450, 2200, 20))
    coefficients = torch.randn(3)
    spectrum = basis @ coefficients
    torch.testing.assert_close(basis @ (projection(basis) @ spectrum), spectrum, atol=0.15, rtol=0)


def test_gradients_reach_every_parameter():
    reflectance, observed, days, season = scene(hidden=0.3)
    model = network().train()
    out = model(reflectance, observed, days, season, WAVELENGTHS)
    (out.mean.square().mean() + out.log_std.square().mean() + out.contamination_logit.square().mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert sum(bool(p.grad.any()) for p in model.parameters()) > 0.95 * len(list(model.parameters()))


def test_it_learns_a_shift_of_partly_hidden_dates():
    """Every date is shifted as a whole; pixels that were seen tell the shift of those that were hidden."""
    rng = np.random.default_rng(5)
    shift = rng.normal(0, 0.03, (1, 8, 1, 1, 1))
    truth = torch.from_numpy((0.2 + shift + rng.normal(0, 0.02, (1, 1, 4, 32, 32))).astype(np.float32))
    observed = torch.ones(1, 8, 32, 32, dtype=torch.bool)
    observed[:, 2, :, :12], observed[:, 5, 8:20] = False, False
    days = torch.arange(8.0)[None] * 5
    torch.manual_seed(0)
    model = Seq2Seq(TINY)
    optimizer = torch.optim.AdamW(model.parameters(), 1e-2)
    hidden = ~observed[:, :, None].expand(truth.shape)
    for _ in range(30):
        out = model(truth, observed, days, 100 + days, WAVELENGTHS)
        loss = (out.mean - truth)[hidden].abs().mean() * 100
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    start = (out.base - truth)[hidden].abs().mean() * 100
    assert loss < 0.6 * start


def test_default_configuration_is_within_its_bounds():
    model = Seq2Seq(Seq2SeqConfig())
    assert sum(p.numel() for p in model.parameters()) <= 1_500_000
    assert model.config.multiple == 16 and model.config.halo == 32


@pytest.mark.parametrize(
    "wrong", [{"hidden": (1,)}, {"channels": (0, 4, 4, 4)}, {"basis": 0}, {"smoother_days": 0}, {"disbelief": 0}]
)
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(InputError, match="seq2seq needs"):
        Seq2SeqConfig(**wrong)


@torch.no_grad()
def test_bfloat16_changes_little():
    reflectance, observed, days, season = scene()
    model = network(head=0.05)
    exact = model(reflectance, observed, days, season, WAVELENGTHS, disbelief=1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quick = model(reflectance, observed, days, season, WAVELENGTHS, disbelief=1.0)
    assert quick.mean.dtype == torch.float32
    torch.testing.assert_close(quick.mean, exact.mean, atol=5e-3, rtol=0)


@pytest.mark.parametrize("gradients", [False, True])
def test_the_causal_one_does_not_look_ahead(gradients):
    reflectance, observed, days, season = scene(times=8, seed=3)
    observed[:, :2, 5:9] = False  # pixels whose first observation is to come
    later = (reflectance.clone(), observed.clone(), days.clone(), season.clone())
    later[0][:, 5:] = 0.9 - later[0][:, 5:].nan_to_num(0.3)
    later[1][:, 5:] = ~later[1][:, 5:]
    later[2][:, 5:] += 7
    later[3][:, 5:] += 7
    for causal in (True, False):
        model = network(replace(TINY, causal=causal))
        with torch.set_grad_enabled(gradients):
            one = vars(model(reflectance, observed, days, season, WAVELENGTHS))
            other = vars(model(*later, WAVELENGTHS))
        same = {name: torch.equal(one[name][:, :5], other[name][:, :5]) for name in one}
        assert all(same.values()) if causal else not any(same.values()), same


def test_the_causal_one_starts_from_the_last_value():
    reflectance, observed, days, season = scene(times=5)
    out = Seq2Seq(replace(TINY, causal=True)).eval()(reflectance, observed, days, season, WAVELENGTHS)
    base, seen = out.base.detach(), observed[:, :, None].expand(reflectance.shape)
    for t in range(1, 5):
        held = torch.where(seen[:, t], reflectance[:, t], base[:, t - 1])
        known = observed[:, : t + 1].any(1)[:, None].expand(held.shape)
        torch.testing.assert_close(base[:, t][known], held[known])


def told(config):
    """What the two looks of a network are given: maps and which pixels are valid; with what there was."""
    given, model = [], network(config)
    for look in (model.look, model.fill):
        look.register_forward_pre_hook(lambda _, arguments: given.append(arguments[:2]))
    cube = scene(height=16, width=16, seed=4)
    with torch.no_grad():
        model(*cube, WAVELENGTHS, disbelief=1)
    values = torch.where(cube[1][:, :, None], cube[0], 0.0)[0]
    return [(whole(maps)[:, 0], whole(valid.float())[:, 0]) for maps, valid in given], values, cube[1][0]


def test_without_masks_nothing_tells_which_pixels_are_observed():
    given, _, observed = told(TINY)
    for maps, valid in given:
        assert torch.equal(valid[:, 0] > 0, observed) and torch.equal(maps[:, -3] > 0, observed)
    for maps, valid in told(replace(TINY, masks=False))[0]:
        assert valid.all() and not maps[:, -3:].any()


def test_without_anomalies_there_is_reflectance_in_their_place():
    for look, (maps, _) in enumerate(told(TINY)[0]):
        assert (maps[:, :4] < 0).any() and (look == 0 or maps[:, 12:16].any())
    given, values, _ = told(replace(TINY, anomalies=False))
    for look, (maps, _) in enumerate(given):
        torch.testing.assert_close(maps[:, :4] / maps[:, :4].max(), values / values.max())
        assert look == 0 or not maps[:, 12:16].any()  # what neighbours in time err by is an anomaly, too


def test_in_training_what_is_observed_is_mixed_with_the_estimate_by_its_contamination():
    reflectance, observed, days, season = scene(hidden=0.3)
    with torch.no_grad():
        out = network().train()(reflectance, observed, days, season, WAVELENGTHS)
    share = out.contamination_logit.sigmoid()[:, :, None]
    mixed = (1 - share) * reflectance + share * out.estimate
    expected = torch.where(observed[:, :, None], mixed, out.estimate)
    torch.testing.assert_close(out.mean, expected, atol=1e-5, rtol=0)


def test_a_series_so_far_by_hand():
    values = torch.tensor([torch.nan, 0.2, torch.nan, 0.9, 0.8]).reshape(5, 1, 1, 1, 1)
    found = series_so_far(values, values.isfinite(), torch.tensor([[0.0], [5], [9], [20], [30]]))
    never = NEVER_DAYS
    for name, expected in {
        "values": [0, 0.2, 0, 0.9, 0.8],
        "before": [never, never, 4, 15, 10],
        "after": [never] * 5,
        "interpolation": [0, 0, 0.2, 0.2, 0.9],
        "difference": [0] * 5,
        "anomaly": [0, 0, 0, LARGEST_ANOMALY, -0.1],
        "position": [0] * 5,
    }.items():
        torch.testing.assert_close(getattr(found, name).flatten(), torch.tensor(expected).float(), msg=name)


@torch.no_grad()
def test_sharpening_makes_the_detail_of_the_estimate_stronger():
    reflectance, observed, days, season = scene(height=24, width=24, samples=2)
    model = network()
    plain = network(replace(TINY, sharpened=False))
    plain.load_state_dict({name: v for name, v in model.state_dict().items() if name != "sharpening.weight"})
    wavelengths = torch.stack([WAVELENGTHS, WAVELENGTHS.flip(0)])
    sharp, blunt = (each(reflectance, observed, days, season, wavelengths) for each in (model, plain))
    share = (model.leave(wavelengths) @ model.sharpening.weight[0])[:, None, :, None, None]
    assert share.abs().max() > 0.1
    added = share * detail(blunt.estimate, torch.ones_like(blunt.estimate[:, :, :1]))
    inner = (..., slice(2, 22), slice(2, 22))
    torch.testing.assert_close(sharp.estimate[inner], (blunt.estimate + added)[inner], rtol=0, atol=1e-6)
    kept = sharp.believed[:, :, None].expand(reflectance.shape)
    assert torch.equal(sharp.mean[kept], reflectance[kept])
    assert torch.equal(sharp.mean[~kept], sharp.estimate[~kept])
    for name in ("base", "log_std", "contamination_logit"):
        assert torch.equal(getattr(sharp, name), getattr(blunt, name)), name


@torch.no_grad()
def test_sharpening_treats_all_edges_alike_and_keeps_its_precision():
    reflectance, observed, days, season = scene(height=21, width=19)
    model = network(head=0.0)  # interpolation
    blunt = model(reflectance, observed, days, season, WAVELENGTHS)
    model.sharpening.weight.fill_(0.3)
    out = model(reflectance, observed, days, season, WAVELENGTHS)
    changed = (out.estimate - blunt.estimate).abs() > 1e-4
    assert not changed[..., [0, -1], :].any() and not changed[..., [0, -1]].any()
    assert changed[..., 1:-1, 1:-1].float().mean() > 0.9
    with torch.autocast("cpu", torch.bfloat16):
        half = model(reflectance, observed, days, season, WAVELENGTHS)
    torch.testing.assert_close(half.estimate, out.estimate, rtol=0, atol=1e-6)


def test_in_training_it_sharpens_only_where_sharpening_learns():
    given = scene(height=16, width=16)
    model = network()
    sharp = model(*given, WAVELENGTHS).estimate
    model.train()
    torch.testing.assert_close(model(*given, WAVELENGTHS).estimate, sharp)
    model.sharpening.requires_grad_(False)
    held = model(*given, WAVELENGTHS).estimate
    assert (held - sharp).abs().max() > 0.01
    model.sharpening.weight.data.zero_()
    torch.testing.assert_close(model(*given, WAVELENGTHS).estimate, held)
