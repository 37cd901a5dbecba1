import dask.array as da
import numpy as np
import pytest
from builders import BANDS, cloudy_cube

import clearcube
import clearcube.accessor
from clearcube.cube import Band, Source
from clearcube.errors import InputError
from clearcube.fill_cube import FillSettings
from clearcube.filler import Estimate
from clearcube.workflows.choosing import choice_for, choice_without_cube, filler_named

PLAIN = FillSettings()


def with_observed_dates(count, times=6):
    cube = cloudy_cube(times, 16, 16, cloud=0.2)
    observed = cube.observed.values.copy()
    observed[[t for t in range(times) if t >= count]] = False
    return cube.assign(observed=(cube.observed.dims, observed))


def chosen(cube, **options):
    choice = choice_for(cube, options, PLAIN)
    return choice.filler.name, choice.reason


def without_values(cube, date):
    values = cube["reflectance"].values.copy()
    values[np.flatnonzero(cube["observed"].any(("y", "x")))[date]] = np.nan
    return cube.assign(reflectance=(cube["reflectance"].dims, values))


def test_the_network_is_taken_where_it_can_work():
    name, reason = chosen(with_observed_dates(3))
    assert name == "seq2seq"
    assert reason == "auto: every band is optical with a known wavelength, and at least 3 dates have observations"


@pytest.mark.parametrize(
    ("cube", "why"),
    [
        (with_observed_dates(2), "only 2 of the dates have observations, seq2seq needs 3"),
        (cloudy_cube(2, 16, 16, cloud=0), "only 1 of the dates"),
        (without_values(with_observed_dates(3), 0), "only 2 of the dates have observations"),
        (cloudy_cube(6, 8, 8, bands=(*BANDS[:3], Band("x", float("nan")))), "wavelength of band 'x' is not known"),
        (cloudy_cube(6, 8, 8, bands=(*BANDS[:3], Band("lst", 10800.0))), "'lst' is 10800 nm, not 400 to 2400 nm"),
    ],
)
def test_else_linear_and_it_says_why(cube, why):
    name, reason = chosen(cube)
    assert name == "linear"
    assert reason.startswith("auto: ")
    assert why in reason


def test_the_mask_is_read_until_enough_dates_are_found():
    cube, reads = with_observed_dates(6), []

    def counted(values, block_info=None):
        reads.append(block_info[0]["chunk-location"])
        return values

    lazy = cube.observed.chunk(time=1, y=8, x=8).data
    counting = da.map_blocks(counted, lazy, dtype=bool, meta=np.empty(0, bool))
    assert chosen(cube.assign(observed=(cube.observed.dims, counting)))[0] == "seq2seq"
    assert len(reads) == 3
    assert chosen(cube.chunk(time=-1, y=8, x=16))[0] == "seq2seq"


def test_fill_says_which_method_it_took_and_why():
    cube = cloudy_cube(6, 24, 24).drop_vars("truth")
    taken, named = clearcube.fill(cube), clearcube.fill(cube, "linear")
    assert taken.attrs["method"] == "seq2seq"
    assert taken.attrs["method_reason"].startswith("auto: every band")
    assert (named.attrs["method"], named.attrs["method_reason"]) == ("linear", "asked for")
    assert cube.clearcube.fill().attrs["method"] == "seq2seq"
    few = clearcube.fill(with_observed_dates(2))
    assert (few.attrs["method"], few.attrs["settings"]) == ("linear", named.attrs["settings"])


@pytest.mark.parametrize(
    ("method", "options", "settings", "message"),
    [
        ("auto", {"modes": 3}, PLAIN, "no option 'modes'; it goes with --method dineof"),
        ("auto", {"nothing": 3}, PLAIN, "no option 'nothing'$"),
        ("linear", {}, FillSettings(denoise=True), r"'linear' \(asked for\) does not judge.* goes with seq2seq"),
        ("whittaker", {}, FillSettings(denoise=True), "does not judge"),
        (
            "whittaker",
            {},
            FillSettings(contamination=True),
            "judges no observations, so it tells no contamination; seq2seq does",
        ),
        ("seq2seq", {}, FillSettings(smooth=True), "no smooth series; --smooth goes with whittaker, harmonic"),
        ("magic", {}, PLAIN, "unknown method 'magic'; choose one of auto, last"),
    ],
)
def test_what_does_not_go_together_is_refused(method, options, settings, message):
    with pytest.raises(InputError, match=message):
        choice_without_cube(method, options, settings)


def test_what_does_not_go_with_the_chosen_method_is_refused():
    with pytest.raises(InputError, match=r"'linear' \(auto: only 2 of the dates.*does not judge"):
        choice_for(with_observed_dates(2), {}, FillSettings(denoise=True))
    with pytest.raises(InputError, match="takes a method by what the cube holds"):
        filler_named("auto", {})


class Judging:
    """Calls a fixed set of pixels contaminated and fills with 0.5."""

    name, halo = "seq2seq", 0

    def prepare(self, sample):
        return self

    error_correlation = np.eye(4)

    def summary(self):
        return {}

    def fill(self, block):
        mean = np.full_like(block.reflectance, 0.5)
        return Estimate(mean, np.full_like(mean, 0.1), judgement(block.observed.shape))


def judgement(shape):
    contamination = np.zeros(shape, np.float32)
    contamination[:, :8] = 0.9
    contamination[0, :8] = 0.4
    contamination[:, 2] = 0.9
    return contamination


def test_denoise_replaces_what_is_not_believed(monkeypatch):
    monkeypatch.setattr("clearcube.workflows.choosing.filler_named", lambda method, options: Judging())
    cube = cloudy_cube(6, 16, 16, cloud=0.0, never=False)
    kept, denoised = (clearcube.fill(cube, "seq2seq", denoise=choice) for choice in (False, True))
    seen = cube.observed.values
    assert (kept.source.values[seen] == Source.OBSERVED).all()
    doubted = np.moveaxis(kept.reflectance_std.values, 1, -1)[1, 4, 4]
    distance = cube.reflectance.values[1, :, 4, 4] - 0.5
    np.testing.assert_allclose(doubted, np.hypot(0.1, distance), rtol=1e-5)
    np.testing.assert_allclose(np.moveaxis(kept.reflectance_std.values, 1, -1)[1, 12, 4], 0.1, rtol=1e-5)
    replaced = denoised.source.values == Source.REPLACED
    expected = seen.copy()
    expected[0] = expected[:, 8:] = False
    expected[:, 2] = False  # nothing else is observed there
    np.testing.assert_array_equal(replaced, expected)
    judged = clearcube.fill(cube, "seq2seq", contamination=True)
    np.testing.assert_array_equal(judged.contamination.values, np.where(seen, judgement(seen.shape), np.nan))
    assert "contamination" not in kept
    pixels = np.moveaxis(denoised.reflectance.values, 1, -1)
    assert (pixels[replaced] == 0.5).all()
    original = np.moveaxis(cube.reflectance.values, 1, -1)
    np.testing.assert_array_equal(pixels[seen & ~replaced], original[seen & ~replaced])
