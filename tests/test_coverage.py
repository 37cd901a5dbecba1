from contextlib import suppress

import numpy as np
import pytest

from clearcube.evaluation.coverage import coverage_sums
from clearcube.filler import Block, Estimate
from clearcube.gaps import STRATA, MaskBank, Scenario, ScenarioUnavailable, gap_length, gap_stratum, hide, scored
from clearcube.methods import METHODS, make_filler
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR

CUBES, SIZE, PART, FEWEST = 48, 24, 8, 2000

SLOW = pytest.param("dineof", marks=pytest.mark.slow)  # it fits its modes several times for each cube


@pytest.fixture(scope="module")
def experiments():
    scenes = []
    for seed in range(CUBES):
        rng = np.random.default_rng(1000 + seed)
        dates = int(rng.integers(12, 37))
        config = random_config(rng, height=SIZE, width=SIZE, n_dates=dates, bands=SENTINEL2_FOUR, evaluation=True)
        scenes.append(simulate(config, seed))
    bank = MaskBank.of(scene.observed for scene in scenes)
    return [experiment(number, scene, bank) for number, scene in enumerate(scenes)]


def experiment(number, scene, bank):
    """What a filler sees, the truth, the scored pixels and their strata; each part of it has a scenario of its own."""
    hidden = np.zeros_like(scene.observed)
    for at, (top, left) in enumerate(np.ndindex(SIZE // PART, SIZE // PART)):
        rows, columns = (slice(PART * start, PART * (start + 1)) for start in (top, left))
        part = Block(
            np.ascontiguousarray(scene.reflectance[:, :, rows, columns]),
            scene.observed[:, rows, columns],
            scene.dates,
            scene.bands,
        )
        scenario = tuple(Scenario)[(2 * number + at) % len(Scenario)]
        with suppress(ScenarioUnavailable):
            hidden[:, rows, columns] = hide(part, scenario, at, bank=bank, key=str(number))
    left = scene.observed & ~hidden
    seen = Block(np.where(left[:, None], scene.reflectance, np.float32(np.nan)), left, scene.dates, scene.bands)
    return seen, scene.clear, scored(scene.observed, hidden), gap_stratum(gap_length(left, scene.dates))


@pytest.mark.parametrize("method", [SLOW if name == "dineof" else name for name in METHODS])
def test_ninety_per_cent_intervals_cover(method, experiments):
    found = []
    for seen, truth, counted, stratum in experiments:
        estimate = make_filler(method).prepare([seen]).fill(seen)
        found.append(coverage_sums(estimate, truth, counted, stratum))
    total, weight = (np.stack([getattr(sums, name) for sums in found]) for name in ("total", "weight"))
    enough = weight.sum(axis=0)[0] >= FEWEST
    assert enough.sum() >= 4
    total, weight = total[..., enough], weight[..., enough]
    cover = total.sum(axis=0) / weight.sum(axis=0)
    # what another draw of as many cubes would differ by: the errors of one cube are alike
    error = np.sqrt(((total - cover * weight) ** 2).sum(axis=0)) / weight.sum(axis=0)
    assert ((cover > 0.85 - error) & (cover < 0.95 + error)).all(), (np.array(STRATA)[enough], cover.round(3))
    assert abs(total.sum() / weight.sum() - 0.9) < 0.05


def test_coverage_is_counted_by_band_and_stratum():
    mean = np.zeros((1, 2, 1, 4), np.float32)
    truth = np.array([[[[0.1, 0.2, 0.0, 9.0]], [[0.16, 0.17, -0.16, 9.0]]]], np.float32)
    counted = np.array([[[True, True, True, False]]])
    stratum = np.array([[[0, 0, 2, 0]]])
    sums = coverage_sums(Estimate(mean, np.full_like(mean, 0.1)), truth, counted, stratum)
    np.testing.assert_array_equal(sums.weight, [[2, 0, 1, 0, 0]] * 2)
    np.testing.assert_array_equal(sums.total, [[1, 0, 1, 0, 0], [1, 0, 1, 0, 0]])
