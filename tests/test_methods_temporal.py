import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearcube.cube import band_named
from clearcube.errors import InputError
from clearcube.filler import Block, Filler, PreparedFiller
from clearcube.methods import METHODS, make_filler
from clearcube.methods.temporal import fill_block
from clearcube.methods.temporal_kernels import LAST, LINEAR, NEAREST, NEXT

RULES = {"last": LAST, "next": NEXT, "nearest": NEAREST, "linear": LINEAR}
BANDS = tuple(band_named(name) for name in ("red", "nir"))
START = np.datetime64("2020-02-27", "D")


def make_block(reflectance, observed, days):
    return Block(reflectance.astype(np.float32), observed, START + np.asarray(days), BANDS[: reflectance.shape[1]])


def series(values, days=None):
    """One pixel, one band; None = not observed."""
    observed = np.array([value is not None for value in values])[:, None, None]
    reflectance = np.array([np.nan if value is None else value for value in values], np.float32)[:, None, None, None]
    return make_block(reflectance, observed, range(len(values)) if days is None else days)


def random_block(seed, times, height, width, share=0.4):
    generator = np.random.default_rng(seed)
    days = np.cumsum(generator.integers(1, 20, times))
    reflectance = generator.normal(0.2, 0.1, (times, 2, height, width))
    observed = generator.random((times, height, width)) < share
    return make_block(np.where(generator.random(reflectance.shape) < 0.5, reflectance, 9.0), observed, days)


def expected(rule, values, observed, days):
    """What the rule gives for one series, date by date."""
    seen = np.flatnonzero(observed)
    filled = np.full(len(values), np.nan, np.float32)
    for t in range(len(values)):
        before, after = seen[seen <= t], seen[seen >= t]
        if len(before) and len(after):
            i, j = before[-1], after[0]
            share = 0 if i == j else (days[t] - days[i]) / (days[j] - days[i])
            part = {LAST: 0, NEXT: 1, NEAREST: float(share > 0.5), LINEAR: share}[rule]
            filled[t] = (1 - part) * values[i] + part * values[j]
        elif len(seen):
            filled[t] = values[before[-1] if len(before) else after[0]]
    return filled


def test_hand_written_series():
    values = [None, 1.0, None, None, None, 3.0, None]
    want = {
        "last": [1, 1, 1, 1, 1, 3, 3],
        "next": [1, 1, 3, 3, 3, 3, 3],
        "nearest": [1, 1, 1, 1, 3, 3, 3],
        "linear": [1, 1, 1.5, 2, 2.5, 3, 3],
    }
    for name, rule in RULES.items():
        assert fill_block(series(values), rule=rule).ravel().tolist() == want[name], name


def test_linear_recovers_a_line_on_uneven_dates():
    days = np.array([0, 3, 4, 11, 30, 31, 60])
    line = 0.1 + 0.01 * days
    observed = np.array([1, 0, 0, 1, 0, 0, 1], bool)[:, None, None]
    filled = fill_block(make_block(line[:, None, None, None], observed, days), rule=LINEAR)
    np.testing.assert_allclose(filled.ravel(), line, rtol=1e-6)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("parallel", [False, True])
def test_agrees_with_a_loop_over_pixels(rule, parallel):
    block = random_block(1, 13, 7, 11)
    filled = fill_block(block, rule=rule, parallel=parallel)
    for b, y, x in np.ndindex(2, 7, 11):
        want = expected(rule, block.reflectance[:, b, y, x], block.observed[:, y, x], block.days)
        np.testing.assert_allclose(filled[:, b, y, x], want, atol=2e-6)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 5), st.integers(1, 40), st.sampled_from(list(RULES)))
def test_laws(seed, times, height, width, name):
    block, rule = random_block(seed, times, height, width), RULES[name]
    filled = fill_block(block, rule=rule)
    seen = np.broadcast_to(block.observed[:, None], filled.shape)
    assert (filled[seen].view(np.uint32) == block.reflectance[seen].view(np.uint32)).all()
    assert (np.isnan(filled) == ~block.observed.any(axis=0)).all()

    garbage = np.where(seen, block.reflectance, np.float32(np.nan))
    assert_same(fill_block(make_block(garbage, block.observed, block.days), rule=rule), filled)
    assert_same(fill_block(block, rule=rule, parallel=True), filled)

    cut = width // 2
    parts = [
        fill_block(make_block(block.reflectance[..., at], block.observed[..., at], block.days), rule=rule)
        for at in (slice(0, cut), slice(cut, width))
        if block.observed[..., at].size
    ]
    assert_same(np.concatenate(parts, axis=-1), filled)
    turned = make_block(block.reflectance[..., ::-1], block.observed[..., ::-1], block.days)
    assert_same(fill_block(turned, rule=rule)[..., ::-1], filled)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_an_inserted_empty_date_changes_no_other(rule):
    block = random_block(3, 12, 5, 33)
    filled = fill_block(block, rule=rule)
    for place in (0, 5, 12):
        day = block.days[place - 1] + 1 if place else block.days[0] - 100
        if place < 12 and day >= block.days[place]:
            continue
        reflectance = np.insert(block.reflectance, place, 7.0, axis=0)
        inserted = make_block(
            reflectance, np.insert(block.observed, place, False, axis=0), np.insert(block.days, place, day)
        )
        assert_same(np.delete(fill_block(inserted, rule=rule), place, axis=0), filled)


def test_results_do_not_depend_on_where_a_segment_ends():
    block = random_block(4, 90, 30, 61)
    filled = fill_block(block, rule=LINEAR)
    assert_same(fill_block(block, rule=LINEAR, parallel=True), filled)
    single = make_block(block.reflectance[..., 17:18, 40:41], block.observed[:, 17:18, 40:41], block.days)
    assert_same(fill_block(single, rule=LINEAR)[..., 0, 0], filled[..., 17, 40])


@pytest.mark.parametrize("name", RULES)
def test_meets_the_contract(name):
    block = random_block(5, 20, 9, 8)
    filler = make_filler(name)
    prepared = filler.prepare([block])
    assert isinstance(filler, Filler)
    assert isinstance(prepared, PreparedFiller)
    assert (filler.name, filler.halo) == (name, METHODS[name].halo)
    estimate = prepared.fill(block)
    assert (np.isnan(estimate.std) == np.isnan(estimate.mean)).all()
    assert prepared.error_correlation.shape == (2, 2)


def test_unknown_methods_and_options_are_named():
    with pytest.raises(InputError, match="unknown method 'cubic'; choose one of last, next"):
        make_filler("cubic")
    with pytest.raises(InputError, match=r"'linear' has no option 'smoothness'; it takes none"):
        make_filler("linear", smoothness=1.0)
    with pytest.raises(InputError, match=r"'whittaker' has no option 'modes'; it takes smoothness"):
        make_filler("whittaker", modes=2)


def assert_same(one, other):
    """Equal bit for bit, NaN where the other is NaN."""
    assert (np.isnan(one) == np.isnan(other)).all()
    seen = ~np.isnan(one)
    assert (one[seen].view(np.uint32) == other[seen].view(np.uint32)).all()
