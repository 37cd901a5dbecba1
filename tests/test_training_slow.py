import numpy as np
import pytest

from clearcube.filler import Block
from clearcube.networks.seq2seq import Seq2SeqConfig
from clearcube.simulation import random_config, simulate
from clearcube.simulation.config import SENTINEL2_FOUR
from clearcube.training.config import OptimisationConfig, SamplingConfig, TrainingConfig, ValidationConfig
from clearcube.training.loop import train
from clearcube.training.packing import TrainingData
from clearcube.training.validation import NamedBlock


def unseen(seed):
    rng = np.random.default_rng(seed)
    scene = simulate(
        random_config(rng, height=64, width=64, n_dates=14, bands=SENTINEL2_FOUR, evaluation=True), 10_000 + seed
    )
    observed = scene.observed | (np.arange(14) % 2 == 0)[:, None, None]
    values = np.where(observed[:, None], scene.clear, scene.reflectance)
    return NamedBlock(f"scene{seed}", Block(values, observed, scene.dates, scene.bands))


@pytest.mark.slow
def test_a_short_training_beats_linear_interpolation(tmp_path):
    config = TrainingConfig(
        output=str(tmp_path),
        network=Seq2SeqConfig(channels=(12, 16, 24), hidden=(6, 8), look_channels=(8, 8), look_hidden=(0,)),
        sampling=SamplingConfig(size=48, frames=24, dates=(8,), patterns=0.7, simulated=1.0, free_bands=0.0),
        optimisation=OptimisationConfig(steps=120, precision="float32", average=0.97),
        check=ValidationConfig(every=120, save=120, scenarios=("partial",), seeds=(0, 1)),
    )
    progress = train(config, TrainingData((), tuple(map(unseen, range(6)))))
    assert progress.validations[-1]["gains"]["partial"] > 0.1
