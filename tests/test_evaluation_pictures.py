import numpy as np
import pytest
import torch
from evaluation_builders import CHANNELS, alexnet, tiny_inception
from safetensors.torch import save_file
from scipy.linalg import sqrtm
from torch import nn

from clearcube.errors import InputError
from clearcube.evaluation.fid import inception_distance
from clearcube.evaluation.inception import Inception
from clearcube.evaluation.lpips import CONVOLUTIONS, Lpips
from clearcube.evaluation.pictures import picture_pairs

BANDS = ("blue", "green", "red", "nir")


@pytest.fixture
def weights(tmp_path):
    torch.save(alexnet(), tmp_path / "lpips.pth")
    return tmp_path / "lpips.pth"


def pictures(seed=0, size=64):
    return np.random.default_rng(seed).random((2, 3, size, size)).astype(np.float32)


def reference(tensors, mine, theirs, hidden):
    """LPIPS by modules, as it was published; places count by their share of hidden pixels."""

    def features(picture):
        x = torch.from_numpy(picture)[None] * 2 - 1
        x = (x - torch.tensor([-0.030, -0.088, -0.188])[:, None, None]) / torch.tensor([0.458, 0.448, 0.450])[
            :, None, None
        ]
        found = []
        for number, (at, (before, after, size)) in enumerate(CHANNELS.items()):
            stride, padding = CONVOLUTIONS[at]
            layer = nn.Conv2d(before, after, size, stride, padding)
            layer.weight.data = tensors[f"net.slice{number + 1}.{at}.weight"]
            layer.bias.data = tensors[f"net.slice{number + 1}.{at}.bias"]
            x = nn.ReLU()(layer(nn.MaxPool2d(3, 2)(x) if at in (3, 6) else x))
            found.append(nn.functional.normalize(x, dim=1))
        return found

    total = 0.0
    with torch.no_grad():
        for number, (a, b) in enumerate(zip(features(mine), features(theirs), strict=True)):
            apart = nn.functional.conv2d((a - b) ** 2, tensors[f"lin{number}.model.1.weight"])
            share = torch.from_numpy(hidden[None, None].astype(np.float32))
            share = nn.functional.interpolate(share, apart.shape[2:], mode="area")
            total += ((apart * share).sum() / share.sum()).item()
    return total


def test_lpips_of_hidden_pixels_is_that_of_the_publication(weights):
    mine, theirs = pictures(0), pictures(1)
    hidden = np.zeros((4, 64, 64), bool)
    hidden[1], hidden[3, 5:30, :50] = True, True
    sums = Lpips(weights).sums(mine, theirs, hidden)
    assert sums.weight[:, 0].tolist() == [0, 1, 0, 1]
    expected = [reference(alexnet(), *each) for each in zip(mine, theirs, hidden[[1, 3]], strict=True)]
    assert sums.total[[1, 3], 0] == pytest.approx(expected, rel=1e-4)
    assert Lpips(weights).sums(mine, mine, hidden).total.max() == 0


def test_lpips_grows_with_noise(weights):
    truth, hidden = pictures(0) * 0.5, np.ones((2, 64, 64), bool)
    noise = np.random.default_rng(3).normal(size=truth.shape).astype(np.float32)
    small, large = (Lpips(weights).sums(truth + s * noise, truth, hidden).total.sum() for s in (0.01, 0.1))
    assert 0 < small < large


def test_pictures_show_the_truth_where_nothing_was_hidden_and_nothing_of_what_is_not_known():
    generator = np.random.default_rng(0)
    truth = generator.uniform(0.02, 0.28, (3, 4, 5, 6)).astype(np.float32)
    filled = truth + np.float32(0.01)
    hidden, known = np.zeros((3, 5, 6), bool), np.ones((3, 5, 6), bool)
    hidden[1, :2], known[1, 4] = True, False
    truth[1, :, 4] = 1e6
    mine, theirs = picture_pairs(filled, truth, hidden, known, BANDS)
    assert mine.shape == theirs.shape == (1, 3, 5, 6) and mine.dtype == np.float32
    assert theirs[0, 0, :4] == pytest.approx(truth[1, 2, :4] / 0.3, rel=1e-5)
    assert mine[0, :, :2] - theirs[0, :, :2] == pytest.approx(np.full((3, 2, 6), 0.01 / 0.3), rel=1e-3)
    assert np.array_equal(mine[0, :, 2:], theirs[0, :, 2:]) and not mine[0, :, 4].any()
    for value in (1e6, np.nan):
        spoiled = [array.copy() for array in (filled, truth)]
        spoiled[0][1][:, 2:] = value
        spoiled[1][1][:, 4] = value
        again = picture_pairs(*spoiled, hidden, known, BANDS)
        assert np.array_equal(again[0], mine) and np.array_equal(again[1], theirs)
    with pytest.raises(InputError, match="no green"):
        picture_pairs(filled[:, [0, 2, 3]], truth[:, [0, 2, 3]], hidden, known, ("blue", "red", "nir"))


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "inception.safetensors"
    save_file(tiny_inception(), path)
    return path


def test_inception_has_a_number_for_each_channel_of_its_last_block(inception):
    features = Inception(inception).features(pictures(0, 32))
    assert features.shape == (2, 12) and np.isfinite(features).all() and not np.array_equal(*features)


def test_fid_equals_the_formula_of_two_gaussians():
    generator = np.random.default_rng(0)
    mine, theirs = generator.normal(0, 1, (40, 5)), generator.normal(0.5, 2, (40, 5))
    parts = [
        (a.astype(np.float32), b.astype(np.float32))
        for a, b in zip(np.split(mine, 4), np.split(theirs, 4), strict=True)
    ]
    a, b = (np.concatenate([part[i] for part in parts]).astype(float) for i in (0, 1))
    one, other = (np.cov(each, rowvar=False) for each in (a, b))
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected = apart + np.trace(one + other - 2 * sqrtm(one @ other).real)
    assert inception_distance(parts) == pytest.approx(expected, rel=1e-9)
    assert inception_distance([(a, a)]) == pytest.approx(0, abs=1e-9)
    assert np.isnan(inception_distance([(a[:1], b[:1])]))


def test_files_that_are_no_weights_are_named(tmp_path, weights):
    with pytest.raises(InputError, match=r"none.pth do not exist; check --lpips"):
        Lpips(tmp_path / "none.pth")
    for content in (b"no weights", b"hi\n", b"", bytes(range(256))):
        (tmp_path / "text.pth").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as weights"):
            Lpips(tmp_path / "text.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds list, not a state dict"):
        Lpips(tmp_path / "list.pth")
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "some.safetensors")
    with pytest.raises(InputError, match=r"no LPIPS of AlexNet: 'features\.0\.bias' is missing"):
        Lpips(tmp_path / "some.safetensors")
    with pytest.raises(InputError, match=r"no Inception-v3 .*Conv2d_1a_3x3.*check --fid"):
        Inception(weights)
