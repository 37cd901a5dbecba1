"""What networks compute in."""

from pathlib import Path

import pytest
import torch

from clearcube.networks.precision import computing_in, has_bfloat16

CPU = torch.device("cpu")


@pytest.fixture
def processor(monkeypatch):
    """Says what the processor is capable of, as Linux would."""

    def says(text):
        has_bfloat16.cache_clear()
        monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)

    yield says
    has_bfloat16.cache_clear()


def type_of(precision):
    with computing_in(precision, CPU):
        return torch.nn.functional.linear(torch.ones(2, 2), torch.ones(2, 2)).dtype


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ("flags : fma avx2 f16c", torch.float32),
        ("flags : avx512f avx512_bf16", torch.bfloat16),
        ("flags : avx512f amx_bf16 amx_tile", torch.bfloat16),
    ],
)
def test_the_processor_decides_unless_one_is_named(processor, flags, wanted):
    processor(flags)
    assert type_of("auto") is wanted
    assert type_of("float32") is torch.float32
    assert type_of("bfloat16") is torch.bfloat16


def test_where_nothing_is_known_of_the_processor_it_is_float32(processor, monkeypatch):
    processor("")

    def missing(*_, **__):
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", missing)
    assert type_of("auto") is torch.float32
