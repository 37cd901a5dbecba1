"""Fixtures that several test files share."""

import argparse
from pathlib import Path

import pytest
import torch
from network_builders import METADATA, TINY

from clearcube.networks import checkpoint
from clearcube.networks.ganfilling import GanFillingConfig, Generator
from clearcube.networks.seq2seq import Seq2Seq
from clearcube.networks.utilise import Utilise, UtiliseConfig

torch.set_num_threads(1)
SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real cubes and golden outputs; tests that need it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the real cubes are not here ({SHARED} is absent)")
    return SHARED


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder of golden outputs of the published networks; tests that need it skip where it is absent."""
    folder = SHARED / "reference"
    if not folder.is_dir():
        pytest.skip(f"the golden outputs are not here ({folder} is absent)")
    return folder


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Random tensors of a test do not depend on what ran before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A folder of small checkpoints: GANFilling.pt, utilise.pth, and suspicious.safetensors, which doubts all."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    generator = Generator(GanFillingConfig(width=2))
    torch.save({"model": generator.state_dict(), "configuration": argparse.Namespace(d=2)}, folder / "GANFilling.pt")
    torch.save({"model_state_dict": Utilise(UtiliseConfig(width=4)).state_dict()}, folder / "utilise.pth")
    suspicious = Seq2Seq(TINY)
    with torch.no_grad():
        suspicious.look.head_bias.fill_(3.0)
    checkpoint.save(folder / "suspicious.safetensors", suspicious, METADATA)
    return folder


@pytest.fixture
def small_bank(monkeypatch):
    """Few simulated masks: quick, where the samples themselves do not matter."""
    monkeypatch.setattr("clearcube.training.samples.BANK_SCENES", 1)


@pytest.fixture(scope="module")
def no_figures():
    """Figures are tested elsewhere; to draw them takes longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clearcube.workflows.figures.report_svgs", lambda results: {})
        yield
