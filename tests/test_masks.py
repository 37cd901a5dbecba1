import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube import masks
from clearcube.errors import InputError


def field(values, y=None, x=None):
    values = np.asarray(values)
    y = np.arange(values.shape[1]) * -10.0 if y is None else y
    x = np.arange(values.shape[2]) * 10.0 if x is None else x
    return xr.DataArray(values, dims=("time", "y", "x"), coords={"time": np.arange(len(values)), "y": y, "x": x})


def test_scene_classes_are_clear_cloudy_or_missing():
    scl = field([[list(range(12))]])
    judged = masks.from_scl(scl)
    assert np.flatnonzero(judged.clear).tolist() == [4, 5, 6, 7]
    assert np.flatnonzero(judged.cloudy).tolist() == [3, 8, 9, 10]
    kept = masks.from_scl(scl, keep=(4, 10, 11))
    assert np.flatnonzero(kept.clear).tolist() == [4, 10, 11]
    assert np.flatnonzero(kept.cloudy).tolist() == [3, 8, 9]


def test_nan_is_missing_in_every_kind_of_mask():
    values = field([[[np.nan, 0.0, 1.0, 60.0]]])
    for judged, clear, cloudy in (
        (masks.from_scl(values), [0, 0, 0, 0], [0, 0, 0, 0]),
        (masks.from_probability(values, 40), [0, 1, 1, 0], [0, 0, 0, 1]),
        (masks.from_clear(values), [0, 0, 1, 1], [0, 1, 0, 0]),
        (masks.from_bad(values), [0, 1, 0, 0], [0, 0, 1, 1]),
        (masks.from_minicube(values, None), [0, 1, 0, 0], [0, 0, 1, 0]),
        (masks.from_codes(values, [1]), [0, 0, 1, 0], [0, 0, 0, 0]),
    ):
        assert judged.clear.values.ravel().astype(int).tolist() == clear
        assert judged.cloudy.values.ravel().astype(int).tolist() == cloudy


def test_minicubes_need_both_masks_clear():
    judged = masks.from_minicube(field([[[0.0, 0.0, 0.0, 1.0, 3.0]]]), field([[[1.0, 9.0, 0.0, 4.0, 4.0]]]))
    assert judged.clear.values.ravel().tolist() == [True, False, False, False, False]
    assert judged.cloudy.values.ravel().tolist() == [False, True, False, True, False]


def judged_on(bad, source, target):
    """`bad` along x, one row, brought from centres `source` to centres `target`."""
    mask = field([[bad]], y=[0.0], x=np.asarray(source, float))
    judgement = masks.Judgement(~mask.astype(bool), mask.astype(bool))
    placed = field([[np.zeros(len(target))]], y=[0.0], x=np.asarray(target, float))
    return masks.on_grid(judgement, placed, "m").cloudy.values.ravel().astype(int)


def test_coarser_finer_and_shifted_masks_are_bad_where_any_part_is_bad():
    assert judged_on([0, 1], [10, 30], [5, 15, 25, 35]).tolist() == [0, 0, 1, 1]
    assert judged_on([0, 1, 0, 0], [5, 15, 25, 35], [10, 30]).tolist() == [1, 0]
    assert judged_on([0, 1, 0, 0, 0], [0, 10, 20, 30, 40], [5, 15, 25, 35]).tolist() == [1, 1, 0, 0]
    assert judged_on([1, 0], [30, 10], [5, 15, 25, 35]).tolist() == [0, 0, 1, 1]
    assert judged_on([0, 1], [10, 30], [35, 25, 15, 5]).tolist() == [1, 1, 0, 0]


def test_a_mask_on_the_same_grid_is_left_as_it_is():
    mask = field(np.zeros((1, 2, 2), bool))
    judgement = masks.Judgement(~mask, mask)
    assert masks.on_grid(judgement, mask, "m") is judgement


def test_a_mask_elsewhere_is_refused():
    with pytest.raises(InputError, match="the mask m does not cover the cube: its x goes from 0 to 40"):
        judged_on([0, 0], [10, 30], [25, 35, 45])


def naive_any(bad, source, target, pixel, width):
    result = []
    for centre in target:
        low, high = centre - width / 2, centre + width / 2
        shares = [min(high, s + pixel / 2) - max(low, s - pixel / 2) > 1e-6 * width for s in source]
        result.append(int(any(b for b, share in zip(bad, shares, strict=True) if share)))
    return result


@settings(max_examples=60, deadline=None)
@given(
    bad=st.lists(st.booleans(), min_size=2, max_size=8),
    pixel=st.sampled_from([10, 20, 30, 60]),
    count=st.integers(2, 8),
    shift=st.integers(0, 3),
    down=st.booleans(),
)
def test_regridding_agrees_with_comparing_every_pair_of_footprints(bad, pixel, count, shift, down):
    source = pixel / 2 + pixel * np.arange(len(bad))
    width = 10.0
    target = width / 2 + 5 * shift + width * np.arange(count)
    target = target[target + width / 2 <= source[-1] + pixel / 2]
    if len(target) < 2:
        return
    expected = naive_any(bad, source, target, pixel, width)
    order = slice(None, None, -1 if down else 1)
    assert judged_on(bad[order], source[order], target).tolist() == expected


def naive_disc(cloudy, radius):
    grown = np.zeros_like(cloudy)
    for t, i, j in np.argwhere(cloudy):
        for k, m in np.ndindex(cloudy.shape[1:]):
            grown[t, k, m] |= (k - i) ** 2 + (m - j) ** 2 <= radius**2
    return grown


@pytest.mark.parametrize("radius", [0, 1, 2, 5])
def test_dilation_is_a_disc_also_across_chunks(radius):
    cloudy = np.random.default_rng(0).random((3, 17, 13)) < 0.03
    cloudy[2] = False
    expected = naive_disc(cloudy, radius)
    np.testing.assert_array_equal(masks.dilate(field(cloudy), radius), expected)
    lazy = field(cloudy).chunk(time=1, y=4, x=5)
    grown = masks.dilate(lazy, radius)
    assert grown.chunks == lazy.chunks
    np.testing.assert_array_equal(grown, expected)


def test_lazy_masks_smaller_than_the_radius_grow_as_in_memory():
    cloudy = xr.DataArray(np.zeros((2, 8, 5), bool), dims=("time", "y", "x"))
    cloudy[0, 0, 0] = True
    lazy = masks.dilate(cloudy.chunk(y=4, x=2), 20)
    np.testing.assert_array_equal(lazy.values, masks.dilate(cloudy, 20).values)
    assert lazy.values[0].all() and not lazy.values[1].any()


@pytest.mark.parametrize(
    ("kind", "clear", "cloudy", "missing"),
    [
        ("qa_pixel", [21824, 21952, 30048], [21826, 21828, 22280, 23888], [1, np.nan]),
        ("qa60", [0], [1024, 2048, 3072], [np.nan]),
        ("hls", [64, 32, 16, 0], [66, 68, 72, 194], [255, np.nan]),
    ],
)
def test_bits_of_quality_bands(kind, clear, cloudy, missing):
    judged = masks.from_bits(field([[[*clear, *cloudy, *missing]]]), kind)
    assert judged.clear.values.ravel().tolist() == [True] * len(clear) + [False] * (len(cloudy) + len(missing))
    expected = [False] * len(clear) + [True] * len(cloudy) + [False] * len(missing)
    assert judged.cloudy.values.ravel().tolist() == expected


def test_minicubes_keep_these_scene_classes_and_grow_those():
    scl = field([[list(range(12))]])
    judged = masks.from_minicube(field(np.zeros((1, 1, 12))), scl)
    assert np.flatnonzero(judged.clear).tolist() == [1, 2, 4, 5, 6, 7]
    assert np.flatnonzero(judged.cloudy).tolist() == [3, 8, 9, 10]
    assert np.flatnonzero(masks.from_minicube(field([[[0, 1, 2, 3, 4]]]), None).cloudy).tolist() == [1, 2]
