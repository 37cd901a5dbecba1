import numpy as np
import pytest

from clearcube.forecasting import greenearthnet as gen
from clearcube.forecasting.vegetation import LEGENDS, OTHER, UNKNOWN, VEGETATION, kind_of, legend_of, vegetation_of
from clearcube.landcover import EARTHNET_CLASSES, WORLDCOVER_CLASSES

NAN = np.nan


def series(*values):
    """One pixel as (T, 1, 1)."""
    return np.array(values, np.float32)[:, None, None]


def naive(forecast, target):
    """The scores of one pixel by their definitions, in plain loops."""
    pairs = [
        (0.5 if np.isnan(f) else min(max(float(f), -1), 1), float(t)) for f, t in zip(forecast, target, strict=True)
    ]
    seen = [(f, t) for f, t in pairs if not np.isnan(t)]
    f, t = [each[0] for each in seen], [each[1] for each in seen]
    mean_f, mean_t = sum(f) / len(f), sum(t) / len(t)
    sse = sum((a - b) ** 2 for a, b in seen)
    sst = sum((b - mean_t) ** 2 for b in t)
    cov = sum((a - mean_f) * (b - mean_t) for a, b in seen)
    parts = {}
    for i, name in enumerate(("rmse25", "rmse50", "rmse75", "rmse100")):
        errors = [(a - b) ** 2 for a, b in pairs[5 * i : 5 * i + 5] if not np.isnan(b)]
        parts[name] = (sum(errors) / len(errors)) ** 0.5 if errors else NAN
    nse = 1 - sse / sst
    return {
        "r2": cov**2 / (sst * sum((a - mean_f) ** 2 for a in f)),
        "nse": nse,
        "nnse": 1 / (2 - nse),
        "rmse": (sse / len(seen)) ** 0.5,
        "bias": abs(mean_f - mean_t),
        **parts,
    }


def test_scores_of_a_pixel_by_hand():
    # target .2 .4 .6 (mean .4, SST .08), forecast .2 .2 .8: SSE .08, covariance sum .12, own spread .24
    found = gen.pixel_scores(series(0.2, 0.9, 0.2, 0.8), series(0.2, NAN, 0.4, 0.6))
    assert all(np.isnan(found[name][0, 0]) for name in gen.BY_PART[1:])
    assert {
        name: float(values[0, 0]) for name, values in found.items() if name not in gen.BY_PART[1:]
    } == pytest.approx(
        {"r2": 0.75, "nse": 0.0, "nnse": 0.5, "rmse": (0.08 / 3) ** 0.5, "bias": 0.0, "rmse25": (0.08 / 3) ** 0.5},
        abs=1e-6,
    )


def test_a_perfect_forecast_and_a_level_one():
    target = series(0.2, 0.4, 0.6)
    perfect = {name: float(v[0, 0]) for name, v in gen.pixel_scores(target, target).items() if np.isfinite(v).all()}
    assert perfect == pytest.approx({"r2": 1, "nse": 1, "nnse": 1, "rmse": 0, "bias": 0, "rmse25": 0}, abs=1e-6)
    level = gen.pixel_scores(series(0.4, 0.4, 0.4), target)
    assert level["r2"][0, 0] == 0 and level["nse"][0, 0] == pytest.approx(0, abs=1e-6)


def test_missing_forecasts_count_as_one_half_and_forecasts_are_clipped():
    found = gen.pixel_scores(series(NAN, 3.0), series(0.2, 0.9))
    assert found["rmse"][0, 0] == pytest.approx(((0.3**2 + 0.1**2) / 2) ** 0.5, abs=1e-6)


def test_scores_equal_a_naive_loop():
    rng = np.random.default_rng(0)
    target = rng.uniform(-0.2, 1, (20, 6, 5)).astype(np.float32)
    target[rng.random(target.shape) < 0.4] = NAN
    target[:5, 0, 0] = NAN
    forecast = rng.uniform(-1.2, 1.2, target.shape).astype(np.float32)
    forecast[rng.random(target.shape) < 0.05] = NAN
    found = gen.pixel_scores(forecast, target)
    for y, x in np.ndindex(6, 5):
        wanted = naive(forecast[:, y, x], target[:, y, x])
        for name, value in wanted.items():
            assert found[name][y, x] == pytest.approx(value, abs=1e-9, nan_ok=True), (name, y, x)


def good_pixel(spread=0.2):
    target = np.tile([0.5 - spread, 0.5 + spread], 5).astype(np.float32)
    return np.full(3, 0.5, np.float32), np.append(target, [NAN] * 10).astype(np.float32)


def test_which_pixels_count():
    context, target = good_pixel()
    few, negative, early = target.copy(), target.copy(), context.copy()
    few[0], negative[1] = NAN, -0.1
    early[1] = -0.01
    pixels = [
        (context, target, True),
        (context, few, False),
        (np.append(context[:2], NAN).astype(np.float32), target, False),
        (context, good_pixel(0.09)[1], False),
        (context, good_pixel(0.11)[1], True),
        (context, negative, False),
        (early, target, False),
    ]
    stack = [np.stack([pixel[i] for pixel in pixels], axis=1)[:, None] for i in (0, 1)]
    assert gen.counted_pixels(*stack)[0].tolist() == [pixel[2] for pixel in pixels]


def tally(vegetation, **scores):
    values = {name: np.full((1, len(vegetation)), 0.5) for name in gen.SCORES}
    values |= {name: np.array([numbers], float) for name, numbers in scores.items()}
    return gen.class_sums(values, np.ones((1, len(vegetation)), bool), np.array([vegetation]))


def test_averages_go_over_pixels_then_cubes_then_classes():
    tree, crop = VEGETATION.index("tree"), VEGETATION.index("crop")
    one = tally([tree, tree, crop, OTHER], rmse=[0.1, 0.3, 0.4, 9], nnse=[0.5, 0.5, 1, 9])
    two = tally([tree], rmse=[0.4], nnse=[0.25])
    scores = gen.dataset_scores([one, two])
    # tree: mean(0.2, 0.4) = 0.3; crop 0.4; nnse: tree mean(0.5, 0.25) = 0.375, crop 1 -> 0.6875
    assert scores["rmse"] == pytest.approx(0.35) and scores["nse"] == pytest.approx(2 - 1 / 0.6875)
    assert gen.by_class([one, two])["nse"][tree] == pytest.approx(2 - 1 / 0.375)
    assert gen.dataset_scores([two])["rmse"] == pytest.approx(0.4)
    assert np.isnan(gen.dataset_scores([tally([OTHER])])["rmse"]) and np.isnan(gen.dataset_scores([])["nse"])


def test_pixels_without_early_targets_do_not_enter_rmse25():
    sums = tally([0, 0], rmse25=[0.2, NAN])["rmse25"]
    assert (sums.total[0], sums.weight[0]) == (0.2, 1)


def test_sums_of_parts_add_up():
    rng = np.random.default_rng(1)
    pixels = {"rmse": rng.random((4, 6))}
    counted, vegetation = rng.random((4, 6)) < 0.7, rng.integers(0, len(VEGETATION), (4, 6))
    whole = gen.class_sums(pixels, counted, vegetation)["rmse"]
    halves = [gen.class_sums({"rmse": pixels["rmse"][p]}, counted[p], vegetation[p])["rmse"] for p in np.s_[:2, 2:]]
    joined = halves[0] + halves[1]
    np.testing.assert_allclose(joined.total, whole.total)
    np.testing.assert_array_equal(joined.weight, whole.weight)


def test_classes_of_three_legends():
    names = np.array(VEGETATION)
    codes = np.array([[10, 15, 40, 50]])
    assert names[vegetation_of(codes, "worldcover", (1, 4))].tolist() == [["tree", "other", "crop", "other"]]
    assert names[vegetation_of(np.array([[73, 83, 255]]), "earthnet", (1, 3))].tolist() == [["crop", "tree", "other"]]
    assert names[vegetation_of(np.array([[0, 5, 7, 10]]), "simulated", (1, 4))].tolist() == [
        ["crop", "grass", "tree", "other"]
    ]
    assert (vegetation_of(None, "", (2, 2)) == UNKNOWN).all()
    assert [legend_of(np.array(codes)) for codes in ([[10, 40, 15]], [[73, 0, 82]], [[0, 3, 9]])] == [
        "worldcover",
        "earthnet",
        "simulated",
    ]


def test_codes_of_earthnet_have_the_kinds_of_their_classes():
    kinds = {name: LEGENDS["earthnet"].get(code) for code, name in EARTHNET_CLASSES.items()}
    assert kinds == {
        **{"artificial": "urban", "bare": "bare", "snow": "snow", "water": "water", "marsh": None, "peat bog": None},
        **{"cultivated": "crop", "vineyard": "crop", "broadleaf": "tree", "conifer": "tree"},
        **{"herbaceous": "grass", "heath": "shrub", "sclerophyllous": "shrub"},
    }


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (("trees", "Tree cover, broadleaved", "treed wetland", "Mixed forest", "woodland", "mangroves"), "tree"),
        (("seasonal_crops", "croplands", "sugar beets", "beetroot", "Non-irrigated arable land"), "crop"),
        (("Seasonally flooded grassland", "treeless pasture"), "grass"),
        (("sea", "Sea and ocean", "inland seas", "seawater", "open_water", "lakes", "seasonal water"), "water"),
        (("snow_and_ice", "Permanent ice", "Snow/Ice", "glaciers"), "snow"),
        (("shrubland", "heathland"), "shrub"),
        (("treeless", "seasonal", "iceland poppy", "beetles", "rice", "search", "clouds", ""), ""),
    ],
)
def test_kinds_are_told_by_words(names, kind):
    assert {name: kind_of(name) for name in names} == dict.fromkeys(names, kind)


def test_names_of_worldcover_have_the_kinds_of_their_codes():
    told = {code: kind_of(name) for code, name in WORLDCOVER_CLASSES.items()}
    assert told == {**LEGENDS["worldcover"], 90: "", 95: "tree", 100: ""}
