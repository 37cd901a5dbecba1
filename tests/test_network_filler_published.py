import argparse
import os
import pickle
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
import xarray as xr
from builders import BANDS, block_of, cloudy_cube, smooth_series

import clearcube
from clearcube.cube import band_named
from clearcube.errors import InputError
from clearcube.filler import Block, Filler, PreparedFiller
from clearcube.network_filler import PublishedFiller, filler_of, make_network_filler, published
from clearcube.network_filler.cells import CELL, STEP, by_cells, cell_starts
from clearcube.network_filler.checkpoints import is_published, opened
from clearcube.network_filler.published import band_order, small
from clearcube.networks import checkpoint
from clearcube.networks.ganfilling import GanFillingConfig, Generator, published_input
from clearcube.networks.utilise import Utilise, UtiliseConfig
from clearcube.readers.calendar import on_calendar
from clearcube.workflows.fill import FillRequest, fill_files

METADATA = {"scaling": "published", "provenance": "a test", "licence": "Apache-2.0"}
NAMES = ("ganfilling", "frame2frame", "utilise")


def network(name):
    torch.manual_seed(1)
    if name == "utilise":
        return Utilise(UtiliseConfig(width=4)).eval()
    return Generator(GanFillingConfig(width=2, recurrent=name == "ganfilling")).eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for name in NAMES:
        checkpoint.save(folder / f"{name}.safetensors", network(name), METADATA)
    configuration = argparse.Namespace(inputChannels=4, outputChannels=4)
    torch.save({"model": network("ganfilling").state_dict(), "configuration": configuration}, folder / "GANFilling.pt")
    torch.save({"model_state_dict": network("utilise").state_dict(), "epoch": 3}, folder / "utilise_earthnet2021.pth")
    return folder


def block(times=6, height=20, width=30, bands=BANDS, **options):
    return block_of(cloudy_cube(times, height, width, bands=bands, **options))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("times", "height", "width"), [(2, 3, 5), (13, 20, 30), (3, 131, 9)])
def test_it_meets_the_contract_for_any_shape(weights, name, times, height, width):
    filler = filler_of(weights / f"{name}.safetensors")
    whole = block(times, height, width, never=height > 19)
    prepared = filler.prepare([whole])
    assert (filler.name, filler.halo, filler.multiple) == (name, CELL, STEP)
    assert isinstance(filler, Filler)
    assert isinstance(prepared, PreparedFiller)
    estimate = prepared.fill(whole)
    never = ~whole.observed.any(axis=0)
    for part in (estimate.mean, estimate.std):
        assert part.shape == whole.reflectance.shape
        assert part.dtype == np.float32
        np.testing.assert_array_equal(np.isnan(part), np.broadcast_to(never, part.shape))
    assert estimate.contamination is None
    assert (estimate.std[..., ~never] > 0).all()
    assert 0 <= np.nanmin(estimate.mean) <= np.nanmax(estimate.mean) <= 1
    again = pickle.loads(pickle.dumps(prepared))
    np.testing.assert_array_equal(again.fill(whole).mean, estimate.mean)
    assert prepared.summary()["network"] == name


def test_the_authors_files_give_the_network_that_they_hold(weights):
    whole = block()
    for file, name in (("GANFilling.pt", "ganfilling"), ("utilise_earthnet2021.pth", "utilise")):
        theirs, ours = filler_of(weights / file), filler_of(weights / f"{name}.safetensors")
        assert theirs.name == name
        np.testing.assert_array_equal(theirs.prepare([whole]).fill(whole).mean, ours.prepare([whole]).fill(whole).mean)


def test_a_small_cube_is_given_to_the_network_as_published(weights):
    whole = block(5, 40, 50, never=False)
    whole.reflectance[3], whole.observed[3] = np.nan, False  # a date that was lost
    images = torch.from_numpy(whole.reflectance.transpose(1, 2, 3, 0))[None]
    with torch.inference_mode():
        expected = network("ganfilling")(published_input(images))[0].permute(3, 0, 1, 2).numpy()
    mean = filler_of(weights / "GANFilling.pt").prepare([whole]).fill(whole).mean
    seen = whole.observed.any(axis=0)
    np.testing.assert_allclose(mean[..., seen], expected[..., seen], atol=1e-6)


@pytest.mark.parametrize("behind", [0.0, 0.9, np.nan])
def test_utilise_does_not_look_behind_the_mask(weights, behind):
    whole = block(13, never=False)
    whole.observed[4] = False  # a date of nothing but clouds
    other = replace(whole, reflectance=whole.reflectance.copy())
    other.reflectance[np.broadcast_to(~whole.observed[:, None], other.reflectance.shape)] = behind
    filler = filler_of(weights / "utilise.safetensors")
    one, two = (filler.prepare([each]).fill(each) for each in (whole, other))
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_array_equal(one.std, two.std)


def test_frame2frame_is_the_generator_without_memory(weights):
    whole = block()
    theirs = make_network_filler("frame2frame", weights=weights / "GANFilling.pt").prepare([whole]).fill(whole).mean
    own = network("frame2frame")
    own.load_state_dict(network("ganfilling").state_dict())
    images = torch.from_numpy(whole.reflectance.transpose(1, 2, 3, 0))[None]
    with torch.inference_mode():
        expected = own(published_input(images))[0].permute(3, 0, 1, 2).numpy()
    seen = whole.observed.any(axis=0)
    np.testing.assert_allclose(theirs[..., seen], expected[..., seen], atol=1e-6)
    remembered = filler_of(weights / "GANFilling.pt").prepare([whole]).fill(whole).mean
    assert np.nanmax(np.abs(theirs - remembered)) > 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_windows_agree(weights, name):
    cube = cloudy_cube(3, 250, 20, cloud=0.3).drop_vars("truth")
    options = {"weights": str(weights / f"{name}.safetensors"), "invent_distance": 0}
    whole = clearcube.fill(cube, window=256, **options)
    parts = clearcube.fill(cube, window=90, **options)
    assert whole.attrs["method"] == name
    np.testing.assert_allclose(parts.reflectance.values, whole.reflectance.values, atol=1e-3)
    np.testing.assert_array_equal(parts.source.values, whole.source.values)


@pytest.mark.parametrize("name", NAMES)
def test_an_inserted_date_changes_nothing_at_the_others(weights, name):
    whole = block(12, never=False)
    whole.reflectance[9], whole.observed[9] = np.nan, False  # a second date that was lost
    at, day = 4, whole.dates[3] + 1
    assert day < whole.dates[4]
    longer = Block(
        np.insert(whole.reflectance, at, np.nan, axis=0),
        np.insert(whole.observed, at, False, axis=0),
        np.insert(whole.dates, at, day),
        BANDS,
        acquired=np.insert(np.ones(12, bool), at, False),
    )
    short, long = (filler_of(weights / f"{name}.safetensors").prepare([each]) for each in (whole, longer))
    np.testing.assert_array_equal(short.errors.table, long.errors.table)
    np.testing.assert_array_equal(short.fill(whole).mean, np.delete(long.fill(longer).mean, at, axis=0))


@pytest.fixture(scope="module")
def with_lost_dates():
    cube = cloudy_cube(8, 4, 110, never=False).drop_vars("truth")
    cube["reflectance"][2], cube["observed"][2] = np.nan, False  # one more
    own = cube["time"].values.astype("datetime64[D]")
    return cube, np.union1d(own, own[3] + 1)


def test_dates_asked_for_change_none_of_the_input(weights, with_lost_dates):
    cube, asked = with_lost_dates
    options = {"method": "utilise", "weights": str(weights / "utilise.safetensors")}
    one, two = (clearcube.fill(each, **options) for each in (cube, on_calendar(cube, asked)))
    assert two.sizes["time"] == one.sizes["time"] + 1
    xr.testing.assert_equal(two["reflectance"].sel(time=one["time"]), one["reflectance"])


@pytest.mark.parametrize("window", [96, 256])  # read from a copy, and in place
def test_dates_asked_for_change_none_of_a_file(weights, with_lost_dates, tmp_path, window):
    cube, asked = with_lost_dates
    cube.to_netcdf(tmp_path / "cube.nc", engine="h5netcdf")
    found = []
    for number, opening in enumerate(({}, {"dates": [str(day) for day in asked]})):
        output, options = tmp_path / f"{number}.nc", {"weights": str(weights / "utilise.safetensors")}
        inputs = (str(tmp_path / "cube.nc"),)
        fill_files(FillRequest(inputs, output, "utilise", opening, options, window=window), lambda *_: None)
        found.append(clearcube.open_cube(output).load())
    one, two = found
    assert two.sizes["time"] == one.sizes["time"] + 1
    xr.testing.assert_equal(two["reflectance"].sel(time=one["time"]), one["reflectance"])


def test_the_order_of_bands_is_found(weights):
    whole = block(never=False)
    order = [2, 0, 3, 1]
    turned = Block(
        np.ascontiguousarray(whole.reflectance[:, order]), whole.observed, whole.dates, tuple(BANDS[i] for i in order)
    )
    filler = filler_of(weights / "GANFilling.pt")
    one, two = (filler.prepare([each]).fill(each) for each in (whole, turned))
    np.testing.assert_array_equal(one.mean[:, order], two.mean)
    np.testing.assert_allclose(one.std[:, order], two.std, rtol=1e-5)


def test_other_bands_are_refused(weights):
    def named(*names):
        return [band_named(name) for name in names]

    assert band_order(named("nir08", "red", "green", "blue"), "utilise") == (3, 2, 1, 0)
    assert band_order(named("a", "b"), "utilise", 2) == (0, 1)
    for names in (
        ("blue", "green", "red"),
        ("blue", "green", "red", "swir16"),
        ("blue", "green", "red", "nir", "nir08"),
    ):
        with pytest.raises(InputError, match=r"takes blue, green, red and nir .*--bands blue,green,red,nir"):
            band_order(named(*names), "utilise")
    with pytest.raises(InputError, match="takes 2 bands, the cube has a"):
        band_order(named("a"), "utilise", 2)
    with pytest.raises(InputError, match="takes blue"):
        filler_of(weights / "GANFilling.pt").prepare([block(bands=BANDS[:3])])


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(InputError, match="holds utilise, not ganfilling"):
        make_network_filler("ganfilling", weights=weights / "utilise_earthnet2021.pth")
    with pytest.raises(InputError, match="holds frame2frame, not ganfilling"):
        PublishedFiller(str(weights / "frame2frame.safetensors"), "ganfilling")
    with pytest.raises(InputError, match="holds forecast, not utilise"):
        make_network_filler("utilise", weights="forecast")
    with pytest.raises(InputError, match="holds ganfilling, not seq2seq"):
        make_network_filler("seq2seq", weights=weights / "GANFilling.pt")
    with pytest.raises(InputError, match=r"no such checkpoint file, and none of this name ships; .*seq2seq"):
        filler_of(weights / "none.pt")


def test_weights_that_change_while_a_fill_goes_on_are_noticed(weights, tmp_path):
    path = tmp_path / "w.safetensors"
    checkpoint.save(path, network("utilise"), METADATA)
    whole = block(3, 8, 8, never=False)
    prepared = filler_of(path).prepare([whole])
    other = network("utilise")
    with torch.no_grad():
        next(other.parameters()).add_(1)
    checkpoint.save(path, other, METADATA)
    os.utime(path, (1, 1))
    prepared.fill(whole)
    published._network.cache_clear()  # as in another process
    with pytest.raises(InputError, match="has changed since the fill began"):
        prepared.fill(whole)


def test_cells_cover_any_side_and_join_a_constant_to_itself():
    for length in range(1, 500):
        starts = cell_starts(length)
        assert starts[0] == 0
        assert min(starts[-1] + CELL, length) == length
        assert all(after - before <= STEP for before, after in pairwise(starts))
    whole = block(2, 300, 150, never=False)
    joined = by_cells(whole, lambda part: np.full_like(part.reflectance, 0.25))
    np.testing.assert_allclose(joined, 0.25, rtol=1e-6)


def test_errors_are_measured_on_a_small_part():
    dates = np.datetime64("2020-01-01", "D") + np.arange(50)
    values = smooth_series(dates, 4, 80, 90)
    observed = np.ones((50, 80, 90), bool)
    observed[10] = False
    (part,) = small([Block(values, observed, dates, BANDS)])
    assert part.observed.shape == (20, 64, 64)
    assert part.observed.all()


def test_cells_pass_smoothly_into_each_other():
    whole, cells = block(2, 20, 224, never=False), iter((0.0, 1.0))
    joined = by_cells(whole, lambda part: np.full_like(part.reflectance, next(cells)))
    expected = np.concatenate([np.zeros(96), np.arange(1, 33) / 33, np.ones(96)])  # they share 32 columns
    np.testing.assert_allclose(joined, np.broadcast_to(expected, joined.shape), atol=1e-6)


@pytest.mark.parametrize("begins", [b"PK", b"\x80"])
def test_our_checkpoints_are_ours_however_long_their_header(tmp_path, begins):
    path = tmp_path / "own.safetensors"
    own = network("utilise")
    checkpoint.save(path, own, METADATA)
    header = int.from_bytes(path.read_bytes()[:8], "little")
    wanted = next(n for n in range(header, header + 2**17) if n % 8 == 0 and n.to_bytes(8, "little").startswith(begins))
    for more in range(wanted - header + 64, 0, -1):
        checkpoint.save(path, own, METADATA | {"provenance": "a test" + "." * more})
        if path.read_bytes().startswith(begins):
            break
        assert int.from_bytes(path.read_bytes()[:8], "little") > wanted - 8
    assert path.read_bytes().startswith(begins)
    assert not is_published(str(path))
    assert isinstance(opened(str(path))[0], Utilise)
