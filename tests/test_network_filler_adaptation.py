import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from builders import BANDS
from network_builders import METADATA, TINY

import clearcube
from clearcube.cube import new_cube
from clearcube.errors import InputError
from clearcube.filler import Block
from clearcube.network_filler import adaptation, make_network_filler, seq2seq
from clearcube.network_filler.adaptation import adapt, held_out_dates
from clearcube.network_filler.adapted import STEPS, Adapted, network_with, store, stored, tensors_as_bytes
from clearcube.network_filler.hidden_gaps import APART, Estimates
from clearcube.networks import checkpoint
from clearcube.networks.seq2seq import Seq2Seq


def noisy_block(times=16, height=40, width=40):
    """Nothing changes but noise: a mean of many dates is better than interpolation, which knows two."""
    rng = np.random.default_rng(0)
    dates = np.datetime64("2020-01-01", "D") + 5 * np.arange(times)
    values = np.full((times, 4, height, width), 0.3) + rng.normal(0, 0.05, (times, 4, height, width))
    observed = np.ones(values[:, 0].shape, bool)
    for date in range(0, times, 3):
        observed[date, :, : rng.integers(8, 20)] = False
    return Block(values.astype(np.float32), observed, dates, BANDS)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Seq2Seq(TINY).eval()


@pytest.fixture(scope="module")
def path(tmp_path_factory, model):
    target = tmp_path_factory.mktemp("weights") / "w.safetensors"
    checkpoint.save(target, model, METADATA)
    return target


@pytest.fixture
def quick(monkeypatch, small_bank):
    """So few and small samples that steps take no time, and so large steps that they tell."""
    monkeypatch.setattr(adaptation, "SIZE", 16)
    monkeypatch.setattr(adaptation, "FRAMES", 24)
    monkeypatch.setattr(adaptation, "usable_cores", lambda: 1)
    monkeypatch.setattr(adaptation, "LEARNING_RATE", 2e-2)


def same(one, two):
    states = (one.state_dict(), two.state_dict())
    return all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_sharpening_stays_as_it_is(quick, monkeypatch):
    monkeypatch.setattr(adaptation, "LEAST_GAIN", -np.inf)
    torch.manual_seed(0)
    sharp = Seq2Seq(replace(TINY, sharpened=True)).eval()
    with torch.no_grad():
        sharp.sharpening.weight.fill_(0.05)
    adapted = network_with(sharp, adapt(sharp, [noisy_block()], 3).weights)
    assert torch.equal(adapted.sharpening.weight, sharp.sharpening.weight)
    assert not same(adapted, sharp)


def test_it_learns_from_the_cube_and_is_reproducible(model, quick):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one, two = (adapt(model, [noisy_block()], 20) for _ in range(2))
    assert one.gain > 0.5
    assert one.weights is not None
    assert one.weights == two.weights
    assert one.summary() == {"adapted": True, "adaptation_steps": 20, "adaptation_gain_db": round(one.gain, 3)}
    assert not same(network_with(model, one.weights), model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_what_does_not_help_is_not_kept(model, quick, monkeypatch):
    monkeypatch.setattr(adaptation, "LEARNING_RATE", 1.0)
    outcome = adapt(model, [noisy_block()], 4)
    assert outcome.weights is None
    assert outcome.gain < 0


def test_held_out_dates_are_never_seen(model, quick, monkeypatch):
    whole = noisy_block()
    chosen = list(held_out_dates([whole]))
    changed = Block(whole.reflectance.copy(), whole.observed, whole.dates, BANDS)
    changed.reflectance[chosen] = 0.7
    monkeypatch.setattr(adaptation, "LEAST_GAIN", -1e9)
    one, two = (adapt(model, [each], 3) for each in (whole, changed))
    assert one.weights is not None
    assert one.weights == two.weights


def test_dates_are_held_out_where_enough_are_left():
    whole = noisy_block()
    chosen = held_out_dates([whole])
    assert chosen == (2, 6, 10, 14)
    few = Block(whole.reflectance[:4], whole.observed[:4], whole.dates[:4], BANDS)
    assert held_out_dates([few]) == ()


def test_a_short_cube_is_left_as_it_is(model):
    whole = noisy_block(4)
    outcome = adapt(model, [whole], 50)
    assert outcome == Adapted(50, None, (), outcome.gain)
    assert outcome.summary()["adaptation_gain_db"] is None


def test_the_prepared_filler_carries_what_was_learnt(path, quick, tmp_path):
    whole = noisy_block()
    filler = make_network_filler("seq2seq", weights=path, adapt=20)
    prepared = filler.prepare([whole])
    assert prepared.summary()["adapted"] is True
    again = pickle.loads(pickle.dumps(prepared))
    np.testing.assert_array_equal(again.fill(whole).mean, prepared.fill(whole).mean)
    assert make_network_filler("seq2seq", weights=path, adapt=True).adapt == STEPS
    with pytest.raises(InputError, match="adapt is -1 steps"):
        make_network_filler("seq2seq", weights=path, adapt=-1)


def test_the_order_of_bands_changes_nothing_that_is_learnt(path, quick):
    whole, order = noisy_block(), [2, 0, 3, 1]
    turned = replace(whole, reflectance=whole.reflectance[:, order].copy(), bands=tuple(whole.bands[i] for i in order))
    filler = make_network_filler("seq2seq", weights=path, adapt=np.int64(3))
    one, two = (filler.prepare([block]).adapted for block in (whole, turned))
    assert one == two


def test_what_was_learnt_is_kept_and_not_learnt_again(path, quick, tmp_path, monkeypatch):
    from clearcube.workflows.choosing import kept_beside

    filler = kept_beside(make_network_filler("seq2seq", weights=path, adapt=20), tmp_path)
    whole = noisy_block()
    first = filler.prepare([whole])
    assert (tmp_path / "adapted.safetensors").is_file()
    monkeypatch.setattr("clearcube.network_filler.adaptation.adapt", None)
    second = filler.prepare([whole])
    assert second.adapted.weights is not None
    np.testing.assert_array_equal(first.fill(whole).mean, second.fill(whole).mean)
    assert first.summary() == second.summary()


def test_the_kept_file_is_checked(tmp_path, model, path):
    file = tmp_path / "adapted.safetensors"
    outcome = Adapted(7, tensors_as_bytes(model), (1, 5), 0.25)
    for each in (outcome, Adapted(7, None, (1, 5), -0.5)):
        store(file, each, model, "base")
        assert stored(file, "base") == each
    with pytest.raises(InputError, match="adapted from other weights"):
        stored(file, "other")
    with pytest.raises(InputError, match="does not tell how it was adapted"):
        stored(path, "base")


def test_fill_adapts_on_request(path, quick):
    whole = noisy_block()
    cube = new_cube(whole.reflectance, whole.observed, whole.dates, BANDS)
    filled = clearcube.fill(cube, weights=str(path), adapt=2)
    assert '"adaptation_steps": 2' in filled.attrs["prepared"]
    unknown = cube.assign_coords(wavelength=("band", [np.nan] * 4))
    with pytest.raises(InputError, match="adapt trains seq2seq, which cannot fill this cube: the wavelength"):
        clearcube.fill(unknown, adapt=2)
    with pytest.raises(InputError, match="no option 'adapt'"):
        clearcube.fill(cube, "linear", adapt=2)


def test_an_adapted_network_is_measured_on_dates_that_it_did_not_learn_from(path, quick, monkeypatch):
    given, mixture = [], seq2seq.mixture

    def watched(errors, *rest, **more):
        given.append(errors)
        return mixture(errors, *rest, **more)

    monkeypatch.setattr(seq2seq, "mixture", watched)
    prepared = make_network_filler("seq2seq", weights=path, adapt=20).prepare([noisy_block()])
    assert prepared.adapted.weights is not None
    assert set((given[0].date % APART).tolist()) <= set(prepared.adapted.held_out)


def test_the_gain_is_the_mean_over_whole_and_clouded_dates(monkeypatch):
    whole, shown = noisy_block(), []

    def both(model, trained, block):
        shown.append((~block.observed & whole.observed).any(axis=(1, 2)))
        after = 0.1 if block.observed[2].any() else 0.05  # clouds hide a part, and there it is as good as before
        means = np.stack([whole.reflectance + np.float32(error) for error in (0.1, after)])
        return Estimates(means, np.ones_like(whole.reflectance), block.observed)

    monkeypatch.setattr(adaptation, "_both", both)
    gain = adaptation._gain(None, None, [whole], (2, 6))
    assert gain == pytest.approx((10 * np.log10(4) + 0) / 2, abs=1e-3)
    assert [np.flatnonzero(dates).tolist() for dates in shown] == [[2, 6], [2, 6]]


def test_clouds_of_other_dates_hide_as_much_as_they_do_there():
    whole = noisy_block(8)
    observed = np.ones_like(whole.observed)
    clear = Block(whole.reflectance, observed.copy(), whole.dates, BANDS)
    assert not adaptation._clouded(clear, [2]).any()
    observed[0, :, :8] = False
    hidden = adaptation._clouded(Block(whole.reflectance, observed, whole.dates, BANDS), [2])
    assert hidden.mean(axis=(1, 2)).tolist() == [0, 0, 0.2, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(("gain", "kept"), [(0.049, False), (0.051, True), (np.nan, False)])
def test_it_is_kept_from_a_twentieth_of_a_decibel_where_it_is_judged(model, monkeypatch, gain, kept):
    judged, part = [], noisy_block(16, 16, 16)
    monkeypatch.setattr(adaptation, "_trained", lambda model, *_: model)
    monkeypatch.setattr(adaptation, "_gain", lambda model, trained, blocks, *_: judged.append(blocks) or gain)
    outcome = adapt(model, [noisy_block()], 3, judged_on=[part])
    assert (outcome.weights is not None) is kept
    assert judged == [[part]]


def test_dates_that_see_little_are_not_held_out():
    whole = noisy_block(6)
    observed = np.ones_like(whole.observed)
    observed[2, :, 12:] = False  # sees 0.3
    assert held_out_dates([Block(whole.reflectance, observed, whole.dates, BANDS)]) == (3,)  # four are left
    observed[4, :, 12:] = False
    assert held_out_dates([Block(whole.reflectance, observed, whole.dates, BANDS)]) == ()


def test_it_trains_on_the_cube_alone_as_configured(model, quick, monkeypatch):
    steps = []
    monkeypatch.setattr(adaptation, "train_step", lambda learner, batches, config, *at: steps.append((config, at)))
    adaptation._trained(model, [noisy_block(8)], 4, 5)
    assert [at for _, at in steps] == [(0, 0.0), (1, 0.25), (2, 0.5), (3, 0.75)]
    made = steps[0][0]
    assert (made.sampling.patterns, made.sampling.simulated, made.sampling.free_bands) == (0, 0, 0)
    assert made.sampling.dates == (6, 8, 8, 8)
    assert (made.optimisation.average, made.optimisation.steps, made.seed) == (adaptation.AVERAGE, 4, 5)
    assert made.optimisation.learning_rate == adaptation.LEARNING_RATE
