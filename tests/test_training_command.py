"""`python -m clearcube.training` as a process: with few libraries, killed, and by several processes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import BANDS, QUICK_TRAINING, cloudy_cube

from clearcube.filler import Block
from clearcube.training.config import read_config
from clearcube.training.loop import train
from clearcube.training.packing import TrainingData, read_pack, write_pack
from clearcube.training.validation import NamedBlock

ALONE = """
import importlib.metadata, runpy, sys
NEEDED = {"clearcube", "torch", "numpy", "scipy", "numba", "safetensors"}
THEIR_OWN = {  # what these need in turn
    "llvmlite", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "fsspec", "filelock", "typing_extensions",
    "setuptools", "functorch", "torchgen", "triton", "nvidia", "cuda", "_distutils_hack", "pkg_resources",
}
for installed in importlib.metadata.packages_distributions():
    if installed.isidentifier() and installed not in NEEDED | THEIR_OWN and not installed.startswith("_"):
        sys.modules[installed] = None  # as if it were not there
assert sys.modules["xarray"] is None
runpy.run_module("clearcube.training", run_name="__main__", alter_sys=True)
"""
KILLED = """
import os, runpy, signal
from clearcube.training import loop

train_step = loop.train_step

def dies_after_seven_steps(learner, batches, config, step, share, **rest):
    if step == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return train_step(learner, batches, config, step, share, **rest)

loop.train_step = dies_after_seven_steps
runpy.run_module("clearcube.training", run_name="__main__", alter_sys=True)
"""
SETTINGS = (
    QUICK_TRAINING
    + """warm_up = 0.5
devices = {devices}
[loss]
adversarial = {adversarial}
[check]
every = 4
save = 3
log = 2
scenarios = ["frames", "trailing"]
"""
)


def written(folder, name, **settings):
    usual = {"adversarial": 0.01, "steps": 6, "precision": "float32", "devices": 1}
    path = folder / f"{name}.toml"
    path.write_text(SETTINGS.format(folder=folder / name, **(usual | settings)))
    return path


@pytest.fixture
def pack(tmp_path):
    cube = cloudy_cube(16, 24, 24, never=False, cloud=0.2)
    observed = cube["observed"].values.copy()
    observed[[2, 5, 9, 12]] = True
    values = np.where(observed[:, None], cube["truth"].values, cube["reflectance"].values)
    place = NamedBlock("place", Block(values, observed, cube["time"].values.astype("datetime64[D]"), BANDS))
    write_pack(tmp_path / "data.npz", TrainingData((place,), (place,), {"place.nc": "00"}))
    return tmp_path / "data.npz"


def records(folder: Path):
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def test_five_libraries_are_enough(tmp_path, pack):
    config = written(tmp_path, "alone", precision="bfloat16")
    arguments = [sys.executable, "-c", ALONE, str(config), str(pack)]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["gain_db"].keys() == {"frames", "trailing", "all"}
    made = {path.name for path in (tmp_path / "alone").iterdir()} - {".lock"}
    assert made == {"log.jsonl", "state.pt", "last.safetensors", "best.safetensors", "sample.png"}


def test_a_run_that_was_killed_goes_on_to_the_same_losses_and_weights(tmp_path, pack):
    data, whole, cut = read_pack(pack), tmp_path / "whole", tmp_path / "cut"
    train(read_config(written(tmp_path, "whole", steps=14)), data)
    config = written(tmp_path, "cut", steps=14)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(config), str(pack)], stdout=subprocess.DEVNULL, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert torch.load(cut / "state.pt", weights_only=True)["progress"]["step"] == 6
    train(read_config(config), data, resume=True)
    assert records(cut) == records(whole)
    one, two = (torch.load(folder / "state.pt", weights_only=True)["learner"] for folder in (whole, cut))
    for part in ("generator", "average", "discriminator"):
        for name, value in one[part].items():
            assert value.equal(two[part][name]), (part, name)


@pytest.mark.slow
def test_two_processes_learn_the_same_from_twice_as_many_samples(tmp_path, pack):
    pytest.importorskip("lightning_fabric")
    config = written(tmp_path, "two", devices=2, adversarial=0.0)
    command = [sys.executable, "-m", "clearcube.training", str(config), str(pack)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    alone = written(tmp_path, "alone", adversarial=0.0)
    alone.write_text(alone.read_text().replace("[loss]", "accumulation = 2\n[loss]"))
    train(read_config(alone), read_pack(pack))
    one, two = (torch.load(tmp_path / name / "state.pt", weights_only=True) for name in ("alone", "two"))
    assert one["progress"]["step"] == two["progress"]["step"] == 6
    for name, value in one["learner"]["average"].items():
        torch.testing.assert_close(value, two["learner"]["average"][name], rtol=1e-3, atol=1e-5)
