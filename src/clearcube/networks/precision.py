"""The type of number that networks compute in."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

PRECISIONS = ("auto", "float32", "bfloat16")
"""'auto' is bfloat16 where the device has instructions for it; without them it is many times slower than float32."""


def computing_in(precision: str, device: torch.device) -> torch.autocast:
    """The context in which networks on this device compute in one of `PRECISIONS`."""
    return torch.autocast(device.type, torch.bfloat16, enabled=type_of(precision, device.type) == "bfloat16")


def type_of(precision: str, device: str) -> str:
    """'float32' or 'bfloat16': what one of `PRECISIONS` means on a kind of device, 'cpu' or 'cuda'."""
    if precision != "auto":
        return precision
    return "bfloat16" if has_bfloat16(device) else "float32"


@lru_cache(maxsize=4)
def has_bfloat16(device: str) -> bool:
    """Whether a kind of device, 'cpu' or 'cuda', has instructions for bfloat16."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in text or "amx_bf16" in text
