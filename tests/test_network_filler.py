import dataclasses
import pickle

import numpy as np
import pytest
import torch
from builders import BANDS, block_of, cloudy_cube
from network_builders import METADATA, TINY, saved

import clearcube
from benchmarks import bench_seams
from clearcube import network_filler
from clearcube.cube import Band
from clearcube.errors import InputError
from clearcube.filler import Block, Filler, PreparedFiller
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LINEAR
from clearcube.network_filler import NetworkFiller, looks, make_network_filler
from clearcube.network_filler import seq2seq as own
from clearcube.network_filler.gap_kinds import GAP_KINDS
from clearcube.network_filler.mixture import ESTIMATES
from clearcube.networks import checkpoint, precision
from clearcube.networks.seq2seq import Seq2Seq
from clearcube.networks.utilise import Utilise, UtiliseConfig
from clearcube.readers.calendar import on_calendar
from clearcube.simulation import random_config, simulate
from clearcube.simulation.cubes import to_cube
from clearcube.training.packing import test_sums as listed_sums


@pytest.fixture(autouse=True, params=["float32", "bfloat16"])
def computed_in(request, monkeypatch):
    """All of this holds in both types, whichever the processor would take."""
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: request.param == "bfloat16")
    return request.param


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def random(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("weights"), 0.05)


def block(times=12, height=24, width=40, **options):
    return block_of(cloudy_cube(times, height, width, **options))


def test_it_meets_the_contract(random):
    filler, whole = NetworkFiller(random), block()
    prepared = filler.prepare([whole])
    assert isinstance(filler, Filler)
    assert isinstance(prepared, PreparedFiller)
    estimate = prepared.fill(whole)
    never = ~whole.observed.any(axis=0)
    assert never.any()
    for part in (estimate.mean, estimate.std):
        assert part.shape == whole.reflectance.shape
        assert part.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(part), np.broadcast_to(never, part.shape))
    assert (estimate.std[..., ~never] > 0).all()
    assert ((estimate.contamination >= 0) & (estimate.contamination <= 1)).all()
    assert prepared.error_correlation.shape == (4, 4)
    assert prepared.summary()["error_hidden_observations"] > 0


def with_shares(prepared, *shares):
    of_all = np.broadcast_to(np.float32(shares), prepared.mixture.shares.shape)
    return dataclasses.replace(prepared, mixture=dataclasses.replace(prepared.mixture, shares=of_all))


def test_an_untrained_network_is_linear_interpolation(untrained):
    whole = block()
    mean = with_shares(NetworkFiller(untrained).prepare([whole]), 0, 1).fill(whole).mean
    np.testing.assert_allclose(mean, fill_block(whole, rule=LINEAR), atol=2e-6)


def test_what_is_not_observed_has_no_influence(random):
    whole = block()
    other = np.where(whole.observed[:, None], whole.reflectance, np.float32(0.123))
    changed = dataclasses.replace(whole, reflectance=other)
    prepared = NetworkFiller(random).prepare([whole])
    np.testing.assert_array_equal(prepared.fill(whole).mean, prepared.fill(changed).mean)


def test_believed_observations_keep_their_values(random):
    whole = block()
    estimate = NetworkFiller(random).prepare([whole]).fill(whole)
    kept = whole.observed & (estimate.contamination <= TINY.disbelief)
    assert kept.any()
    pixels = np.moveaxis(estimate.mean, 1, -1)[kept]
    np.testing.assert_array_equal(pixels, np.moveaxis(whole.reflectance, 1, -1)[kept])


def test_what_is_not_believed_is_a_gap_between_what_is(tmp_path, random):
    model, metadata = checkpoint.load(random)
    whole, path = block(), tmp_path / "judge.safetensors"
    with torch.no_grad():
        model.look.head_weight.normal_(0, 1, generator=torch.Generator().manual_seed(0))
    checkpoint.save(path, model, metadata)
    judged = NetworkFiller(str(path)).prepare([whole]).fill(whole)
    half = float(np.median(judged.contamination[whole.observed]))
    strict = Seq2Seq(dataclasses.replace(model.config, disbelief=half))
    strict.load_state_dict(model.state_dict())
    path = tmp_path / "strict.safetensors"
    checkpoint.save(path, strict, metadata)
    prepared = NetworkFiller(str(path)).prepare([whole])
    made = prepared.fill(whole)
    doubted = whole.observed & ~made.believed
    assert 0.2 < doubted.sum() / whole.observed.sum() < 0.8, "the network's own threshold counts"
    assert np.array_equal(made.which_believed(whole.observed), made.believed & whole.observed)
    noise = np.broadcast_to(prepared.noise[:, None, None], made.std.shape)
    assert np.array_equal(np.moveaxis(made.std, 1, -1)[made.believed], np.moveaxis(noise, 1, -1)[made.believed])
    wide = dataclasses.replace(
        prepared, mixture=dataclasses.replace(prepared.mixture, spread=prepared.mixture.spread * np.float32(3))
    ).fill(whole)
    at = np.moveaxis(made.std, 1, -1)[doubted], np.moveaxis(wide.std, 1, -1)[doubted]
    np.testing.assert_allclose(3 * at[0], at[1], rtol=1e-5)


def test_what_was_prepared_travels(random):
    whole = block()
    prepared = NetworkFiller(random).prepare([whole])
    again = pickle.loads(pickle.dumps(prepared))
    np.testing.assert_array_equal(again.fill(whole).mean, prepared.fill(whole).mean)


def test_empty_dates_do_not_change_what_is_prepared(random):
    whole = block()
    dates = (
        np.insert(whole.dates, 4, whole.dates[3] + 1) if whole.dates[4] - whole.dates[3] > np.timedelta64(1) else None
    )
    assert dates is not None
    more = Block(
        np.insert(whole.reflectance, 4, np.nan, axis=0), np.insert(whole.observed, 4, False, axis=0), dates, BANDS
    )
    one, two = (NetworkFiller(random).prepare([each]) for each in (whole, more))
    assert one.summary() == two.summary()


def test_tiles_agree_with_the_whole(random, monkeypatch):
    whole = block(6, 96, 96, never=False)
    prepared = NetworkFiller(random).prepare([block(6, 32, 32, never=False)])
    once = prepared.fill(whole).mean
    monkeypatch.setattr(looks, "PIXEL_DATES", 6 * 64 * 64)
    assert looks.cell_size(6, prepared.filler.halo) < 96
    np.testing.assert_allclose(prepared.fill(whole).mean, once, atol=1e-3)


def test_windows_of_any_size_agree_with_the_embedded_weights(monkeypatch):
    for module in (own, looks):
        monkeypatch.setattr(module, "LARGEST_CELL", 32)
    scene = simulate(random_config(np.random.default_rng(7), height=90, width=84, n_dates=8, bands=BANDS), 7)
    cube = to_cube(scene, 10.0).drop_vars(["truth", "contamination"])
    once = clearcube.fill(cube, method="seq2seq", window=256)
    for size in (64, 37, 1):
        parts = clearcube.fill(cube, method="seq2seq", window=size)
        for name in ("reflectance", "reflectance_std", "source"):
            np.testing.assert_allclose(parts[name].values, once[name].values, atol=1e-6)


@pytest.mark.parametrize("computed_in", ["float32"], indirect=True)
def test_cells_of_the_embedded_network_agree_with_one_look_by_their_halo():
    halo = make_network_filler("seq2seq").halo
    found = [bench_seams.differences(bench_seams.scene(seed, 128, 8), 64, (halo, 0)) for seed in (50_000, 50_001)]
    with_halo, without = (np.concatenate(parts) for parts in zip(*found, strict=True))
    assert (with_halo > bench_seams.NOTICED).mean() < 0.1
    assert with_halo.mean() < 4e-4
    assert without.mean() > 1e-3


def test_the_centre_is_filled_as_the_whole_is(random, monkeypatch):
    for module in (own, looks):
        monkeypatch.setattr(module, "LARGEST_CELL", 32)
    whole = block(6, 96, 96, never=False)
    prepared = NetworkFiller(random).prepare([block(6, 32, 32, never=False)])
    everything = prepared.fill(whole)
    centre = (slice(32, 64), slice(32, 96))
    found = prepared.fill_centre(whole, centre)
    for mine, all_of_it in ((found.mean, everything.mean), (found.std, everything.std)):
        np.testing.assert_array_equal(mine[(..., *centre)], all_of_it[(..., *centre)])
        assert np.isnan(mine[..., :32, :]).all()
        assert np.isnan(mine[..., 64:, :]).all()


def test_a_network_that_errs_is_not_trusted(tmp_path, untrained):
    wild = saved(tmp_path, 1.0)
    whole = block(20, 48, 48, never=False, cloud=0.2)
    careful, plain = (NetworkFiller(path).prepare([whole]).mixture for path in (wild, untrained))
    network = ESTIMATES.index("network")
    assert careful.shares[:, network].min() < 0.05
    assert careful.shares[:, network].sum() < plain.shares[:, network].sum()


def test_std_holds_ninety_per_cent(random):
    cube = cloudy_cube(48, 48, 48, never=False, cloud=0.3)
    whole = block_of(cube)
    estimate = NetworkFiller(random).prepare([whole]).fill(whole)
    inside = np.abs(estimate.mean - cube["truth"].values) < 1.645 * estimate.std
    hidden = np.broadcast_to(~whole.observed[:, None], inside.shape)
    hidden = hidden & (whole.observed.any(axis=(1, 2))[:, None, None, None])
    assert 0.85 < inside[hidden].mean() < 0.96


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bands": (*BANDS[:3], Band("x", float("nan")))}, "of band 'x' is not known"),
        ({"bands": (*BANDS[:3], Band("lst", 10800.0))}, "400 to 2400 nm"),
    ],
)
def test_bands_must_be_optical(untrained, change, message):
    with pytest.raises(InputError, match=message):
        NetworkFiller(untrained).prepare([dataclasses.replace(block(), **change)])


def first(whole, count):
    return Block(whole.reflectance[:count], whole.observed[:count], whole.dates[:count], BANDS)


def test_two_dates_are_enough_and_one_is_not(random):
    short = first(block(never=False), 2)
    short.observed[:, :4] = [[[True]], [[False]]]
    made = NetworkFiller(random).prepare([short]).fill(short)
    seen = short.observed.any(axis=0)
    assert np.isfinite(made.mean[..., seen]).all()
    assert (made.std[..., seen] > 0).all()
    with pytest.raises(InputError, match="at least 2 dates, the cube has 1"):
        NetworkFiller(random).prepare([first(short, 1)])


def test_other_networks_and_options_are_refused(tmp_path):
    path = tmp_path / "u.safetensors"
    checkpoint.save(path, Utilise(UtiliseConfig(width=4)), METADATA)
    with pytest.raises(InputError, match="holds utilise, not seq2seq"):
        NetworkFiller(str(path))
    with pytest.raises(InputError, match="no option 'terms'"):
        make_network_filler("seq2seq", terms=2)
    with pytest.raises(InputError, match="unknown network"):
        make_network_filler("nothing")


def test_fill_takes_a_checkpoint(untrained):
    cube = cloudy_cube(8, 24, 24).drop_vars("truth")
    mine, linear = clearcube.fill(cube, "seq2seq", weights=untrained), clearcube.fill(cube, "linear")
    np.testing.assert_array_equal(np.isnan(mine["reflectance"].values), np.isnan(linear["reflectance"].values))
    np.testing.assert_array_equal(mine["source"].values, linear["source"].values)


@pytest.mark.parametrize("name", [path.stem for path in network_filler.shipped()])
def test_the_embedded_weights_say_what_they_are(name):
    path = network_filler.embedded_weights(name)
    assert path is not None
    assert path.stat().st_size <= 8_000_000
    model, metadata = checkpoint.load(path)
    if name.startswith("seq2seq"):
        assert sum(p.numel() for p in model.parameters()) <= 1_500_000
    assert metadata["licence"] == "Apache-2.0"
    made = metadata["provenance"]
    assert {"command", "seed", "config", "files", "steps", "hours", "hardware"} <= set(made)
    assert not set(made["files"].values()) & set(listed_sums())


def test_fill_uses_the_embedded_weights():
    cube = cloudy_cube(6, 24, 24).drop_vars("truth")
    filled = clearcube.fill(cube, "seq2seq")
    assert np.isfinite(filled["reflectance"].values[:, :, 20:, 20:]).all()


def test_any_number_of_inserted_dates_changes_no_other(monkeypatch):
    """Also where the network is shown a few of them at a time."""
    monkeypatch.setattr(looks, "PIXEL_DATES", 16 * 40 * 136)
    scene = simulate(random_config(np.random.default_rng(6), height=40, width=136, n_dates=12, bands=BANDS), 6)
    cube = to_cube(scene, 10.0).drop_vars(["truth", "contamination"])
    whole = clearcube.fill(cube, "seq2seq").load()
    days = cube["time"].values.astype("datetime64[D]")
    longer = on_calendar(cube, np.arange(days[0] - 5, days[0] + 60)).drop_vars(["wanted", "acquired"])
    assert len(looks.looks_of(longer["observed"].values)) > 3
    some = clearcube.fill(longer, "seq2seq").load()
    assert np.isfinite(some["reflectance"]).all()
    for name in ("reflectance", "reflectance_std"):
        np.testing.assert_allclose(some[name].sel(time=whole["time"]), whole[name], atol=1e-5)


def test_the_order_of_bands_changes_a_fill_by_rounding_alone(computed_in):
    filler, straight, order = make_network_filler("seq2seq"), bench_seams.scene(3, 32, 8), [2, 0, 3, 1]
    values, bands = straight.reflectance[:, order], tuple(straight.bands[i] for i in order)
    other = dataclasses.replace(straight, reflectance=values, bands=bands)
    one, two = (filler.prepare([each]).fill(each) for each in (straight, other))
    limit = 1e-5 if computed_in == "float32" else 2e-3
    for mine, theirs in ((one.mean, two.mean), (one.std, two.std)):
        np.testing.assert_allclose(theirs, mine[:, order], atol=limit)


def test_dates_that_nobody_saw_are_shown_once_beside_all_others(monkeypatch):
    monkeypatch.setattr(looks, "PIXEL_DATES", 8 * 30)
    observed = np.zeros((20, 5, 6), bool)
    observed[[2, 3, 11], 1, 1] = True
    shown = looks.looks_of(observed)
    assert [part.size for part in shown] == [8, 7, 7, 7]  # five beside the three, for eight fit
    assert all(set(part) >= {2, 3, 11} and (np.diff(part) > 0).all() for part in shown)
    assert sorted(t for part in shown for t in set(part) - {2, 3, 11}) == [t for t in range(20) if t not in {2, 3, 11}]
    (alone,) = looks.looks_of(observed[[2, 3, 11]])
    assert alone.tolist() == [0, 1, 2]
    observed[:12, 0, 0] = True
    assert [part.size for part in looks.looks_of(observed)] == [16, 16]  # half of what fits, at least


def test_a_std_is_never_larger_than_that_of_anything_between_0_and_1(random):
    whole = block()
    prepared = NetworkFiller(random).prepare([whole])
    unsure = dataclasses.replace(
        prepared, mixture=dataclasses.replace(prepared.mixture, spread=np.full_like(prepared.mixture.spread, 1e4))
    )
    std = unsure.fill(whole).std
    assert np.nanmax(std) == np.nanmedian(std[:, :, ~whole.observed[0]][0]) == 0.5


def test_values_that_leave_no_room_for_others_are_named(random):
    whole = block()
    reflectance = whole.reflectance.copy()
    at = tuple(index[0] for index in np.nonzero(whole.observed))
    reflectance[at[0], 0, at[1], at[2]] = 9.96921e36
    with pytest.raises(InputError, match=r"an observed value is 9.969e\+36, which is no reflectance"):
        NetworkFiller(random).prepare([whole]).fill(dataclasses.replace(whole, reflectance=reflectance))


GRAM, SPREAD = np.tile(np.eye(2), (GAP_KINDS, 1, 1)).tolist(), [1.0] * GAP_KINDS


@pytest.mark.parametrize(
    "prior",
    [
        5,
        {},
        {"gram": "x", "spread": 1},
        {"gram": [[1.0]], "spread": [1.0]},
        {"gram": GRAM, "spread": [0.0, *SPREAD[1:]]},
        {"gram": GRAM, "spread": [-1.0, *SPREAD[1:]]},
        {"gram": [[[-1.0, 0.0], [0.0, 1.0]], *GRAM[1:]], "spread": SPREAD},
        {"gram": [[[1.0, 0.5], [0.0, 1.0]], *GRAM[1:]], "spread": SPREAD},
    ],
)
def test_metadata_that_mean_nothing_are_refused(tmp_path, prior):
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, Seq2Seq(TINY), METADATA | {"mixture_prior": prior})
    with pytest.raises(InputError, match="'mixture_prior' in the checkpoint's metadata cannot be used"):
        NetworkFiller(str(path))


def test_a_forecaster_does_not_fill():
    with pytest.raises(InputError, match="holds forecast, not seq2seq; give other weights"):
        make_network_filler("seq2seq", weights="forecast")


def test_torch_has_as_many_threads_after_a_fill_as_before(random):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        whole = block(times=6)
        NetworkFiller(random).prepare([whole]).fill(whole)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_errors_are_measured_on_the_blocks_that_saw_most():
    def blocks(count, times, *frame):
        for i in range(count):
            observed = np.ones((times, *frame), bool)
            observed[:, : (i * 5) % count] = False  # block 0 saw all
            yield Block(np.full((times, 1, *frame), i, np.float32), observed, block(times).dates, BANDS[:1])

    def numbers(chosen):
        return [int(each.reflectance[0, 0, 0, 0]) for each in chosen]

    large = own.to_measure_on(list(blocks(3, 50, 80, 90)))
    assert [each.observed.shape for each in large] == [(50, 64, 64)] * 3
    small = list(blocks(16, 40, 48, 48))
    assert numbers(own.to_measure_on(small)) == [i for i in range(16) if (i * 5) % 16 < 12]
    assert numbers(own.to_measure_on(small, 2)) == [0, 13]
    assert numbers(own.to_measure_on(small[:3])) == [0, 1, 2]
    small = list(blocks(2, 10, 40, 40))
    assert own.to_measure_on(small)[0].observed.shape == (10, 40, 40)


def test_cells_are_halved_until_they_fit():
    assert [looks.cell_size(n, 32) for n in (54, 55, 122, 123, 999)] == [128, 64, 64, 32, 32]
    assert [looks.cell_size(30, 32, bands) for bands in (1, 4, 10, 20)] == [128, 128, 128, 64]
