"""Small networks for tests."""

import torch

from clearcube.networks import checkpoint
from clearcube.networks.seq2seq import Seq2Seq, Seq2SeqConfig

TINY = Seq2SeqConfig(channels=(4, 8), hidden=(2,), look_channels=(4, 4), look_hidden=(2,), basis=4)
METADATA = {"scaling": "none", "provenance": "a test", "licence": "Apache-2.0"}


def saved(folder, spread=0.0, name="w"):
    torch.manual_seed(0)
    model = Seq2Seq(TINY)
    with torch.no_grad():
        model.fill.head_weight.normal_(0, spread) if spread else None
    path = folder / f"{name}.safetensors"
    checkpoint.save(path, model, METADATA)
    return str(path)
