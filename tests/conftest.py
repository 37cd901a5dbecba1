"""Fixtures that several test files share."""

from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)
SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real cubes and golden outputs; tests that need it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"the real cubes are not here ({SHARED} is absent)")
    return SHARED


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Random tensors of a test do not depend on what ran before it."""
    torch.manual_seed(0)
