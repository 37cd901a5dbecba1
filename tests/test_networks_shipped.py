import subprocess
import sys

import numpy as np
import pytest
import torch

from clearcube.networks import checkpoint
from clearcube.networks.shipped import embedded_weights

WAVELENGTHS = torch.tensor([490.0, 560.0, 665.0, 842.0])
GOLDEN = {
    "believed": 0.5514,
    "logit": [9.740, -8.146],
    "correction": [0.0013057, 0.0015632, 0.0016312, 0.0036776],
    "std": [0.0096804, 0.0130342, 0.0066094, 0.0065197, 0.0117180, 0.0058258, 0.0068492, 0.0092476],
}
"""What the embedded seq2seq, and all but its detail is that of seq2seq-l1, gave when it was shipped; other weights give
other numbers, another reading of the same weights must not."""
SHARES = [0.0584, 0.0647, 0.0721, 0.0608]
"""By how much the embedded seq2seq makes detail stronger."""


def told_by(name):
    rng = np.random.default_rng(0)
    days = np.cumsum(rng.integers(3, 12, 8)).astype(np.float32)[None]
    y, x = np.mgrid[:32, :32] / 32
    level = np.array([0.05, 0.08, 0.07, 0.3])[:, None, None]
    season = 1 + 0.3 * np.sin(days[0] / 20)[:, None, None, None]
    values = (season * level * (1 + 0.3 * np.sin(7 * x + 3 * y))).astype(np.float32)[None]
    observed = np.ones((1, 8, 32, 32), bool)
    observed[0, [1, 4]] = False
    observed[0, 2, :12], observed[0, 6, :, 20:], observed[0, 7, 8:] = False, False, False
    values[0, 3, :, 20:26, 4:12] = 0.6  # a cloud that the mask missed
    model, _ = checkpoint.load(embedded_weights(name))
    with torch.no_grad():
        out = model(*map(torch.from_numpy, (values, observed, days, 120 + days)), WAVELENGTHS)
    difference, hidden = out.estimate - out.base, torch.from_numpy(~observed)[0]
    return {
        "believed": float(out.believed.float().mean()),
        "logit": [
            float(out.contamination_logit[0, 3, 20:26, 4:12].mean()),
            float(out.contamination_logit[0, 0].mean()),
        ],
        "correction": [float(difference[0, :, b][hidden].abs().mean()) for b in range(4)],
        "std": [float(out.std[0, t].mean()) for t in range(8)],
    }


@pytest.mark.parametrize("network", ["seq2seq", "seq2seq-l1"])
def test_the_embedded_weights_give_what_they_gave(network):
    found = told_by(network)
    assert found["believed"] == pytest.approx(GOLDEN["believed"], abs=1e-3)
    for name in ("logit", "correction", "std"):
        assert found[name] == pytest.approx(GOLDEN[name], rel=0.01), name


@torch.no_grad()
def test_what_the_adversarial_part_taught():
    sharp, blunt = (checkpoint.load(embedded_weights(name))[0] for name in ("seq2seq", "seq2seq-l1"))
    shares = sharp.sharpening(sharp.leave(WAVELENGTHS)).flatten()
    assert shares.tolist() == pytest.approx(SHARES, abs=5e-4)
    own = sharp.state_dict()
    assert {name for name in own if name not in blunt.state_dict()} == {"sharpening.weight"}
    assert all(value.equal(own[name]) for name, value in blunt.state_dict().items())


def test_reading_does_not_load_the_compiler_of_torch():
    code = (
        "import sys\n"
        "from clearcube.networks import checkpoint, shipped\n"
        "assert len([checkpoint.load(path) for path in shipped.embedded()]) > 5\n"
        "assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
