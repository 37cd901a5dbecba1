"""Results and networks of an evaluation for tests."""

import numpy as np
import torch

from clearcube.evaluation.comparison import Comparison
from clearcube.evaluation.records import Outcome, Record
from clearcube.evaluation.statistics import Sums

STRATA = (("all", "all"), ("season", "MAM"), ("season", "JJA"))
CHANNELS = {0: (3, 4, 11), 3: (4, 6, 5), 6: (6, 8, 3), 8: (8, 6, 3), 10: (6, 5, 3)}
"""Of AlexNet's convolutions, by their place: before, after, size."""


def alexnet(seed=0):
    """AlexNet's features with few channels, and heads that are not negative, by the names of the package lpips."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for number, (at, (before, after, size)) in enumerate(CHANNELS.items()):
        tensors[f"net.slice{number + 1}.{at}.weight"] = torch.randn(after, before, size, size, generator=generator) / 9
        tensors[f"net.slice{number + 1}.{at}.bias"] = torch.randn(after, generator=generator) / 9
        tensors[f"lin{number}.model.1.weight"] = torch.rand(1, after, 1, 1, generator=generator)
    return tensors


def tiny_inception():
    """The tensors of Inception-v3 with two channels a layer."""
    generator, tensors = torch.Generator().manual_seed(0), {}

    def layer(name, before, height=1, width=1):
        tensors[f"{name}.conv.weight"] = torch.randn(2, before, height, width, generator=generator)
        for part, value in (("weight", 1.0), ("bias", 0.1), ("running_mean", 0.0), ("running_var", 1.0)):
            tensors[f"{name}.bn.{part}"] = torch.full((2,), value)

    for name, before, size in (
        ("1a_3x3", 3, 3),
        ("2a_3x3", 2, 3),
        ("2b_3x3", 2, 3),
        ("3b_1x1", 2, 1),
        ("4a_3x3", 2, 3),
    ):
        layer(f"Conv2d_{name}", before, size, size)
    width = 2
    for block in ("5b", "5c", "5d"):
        for name, before, size in (
            *(("branch1x1", width, 1), ("branch5x5_1", width, 1), ("branch5x5_2", 2, 5), ("branch3x3dbl_1", width, 1)),
            *(("branch3x3dbl_2", 2, 3), ("branch3x3dbl_3", 2, 3), ("branch_pool", width, 1)),
        ):
            layer(f"Mixed_{block}.{name}", before, size, size)
        width = 8
    for name, before, size in (
        ("branch3x3", 8, 3),
        ("branch3x3dbl_1", 8, 1),
        ("branch3x3dbl_2", 2, 3),
        ("branch3x3dbl_3", 2, 3),
    ):
        layer(f"Mixed_6a.{name}", before, size, size)
    width = 12
    for block in ("6b", "6c", "6d", "6e"):
        layer(f"Mixed_{block}.branch1x1", width)
        layer(f"Mixed_{block}.branch_pool", width)
        for branch, count in (("branch7x7", 3), ("branch7x7dbl", 5)):
            for number in range(1, count + 1):
                shape = (1, 1) if number == 1 else ((1, 7) if number % 2 == 0 else (7, 1))
                layer(f"Mixed_{block}.{branch}_{number}", width if number == 1 else 2, *shape)
        width = 8
    for name, before, shape in (
        *(("branch3x3_1", 8, (1, 1)), ("branch3x3_2", 2, (3, 3)), ("branch7x7x3_1", 8, (1, 1))),
        *(("branch7x7x3_2", 2, (1, 7)), ("branch7x7x3_3", 2, (7, 1)), ("branch7x7x3_4", 2, (3, 3))),
    ):
        layer(f"Mixed_7a.{name}", before, *shape)
    width = 12
    for block in ("7b", "7c"):
        for name, before, shape in (
            *(("branch1x1", width, (1, 1)), ("branch3x3_1", width, (1, 1)), ("branch3x3_2a", 2, (1, 3))),
            *(("branch3x3_2b", 2, (3, 1)), ("branch3x3dbl_1", width, (1, 1)), ("branch3x3dbl_2", 2, (3, 3))),
            *(("branch3x3dbl_3a", 2, (1, 3)), ("branch3x3dbl_3b", 2, (3, 1)), ("branch_pool", width, (1, 1))),
        ):
            layer(f"Mixed_{block}.{name}", before, *shape)
        width = 12
    return tensors


def outcome(mse, pixels=100.0):
    weight = np.array([[2 * pixels], [pixels], [pixels]])
    squared = Sums(weight * mse * np.array([[1.0], [1.5], [0.5]]), weight)
    absolute = Sums(np.sqrt(squared.total * weight), weight)
    sums = {"squared": squared, "absolute": absolute, "missing": Sums(0 * weight, weight)}
    return Outcome({"hidden": sums, "all": {"squared": Sums(squared.total[:1], weight[:1])}}, STRATA)


def comparison(cubes=8, better=0.5):
    found, generator = Comparison(), np.random.default_rng(0)
    for cube in range(cubes):
        mse = 1e-4 * generator.uniform(0.5, 2)
        outcomes = {("linear", "frames", 0): outcome(mse), ("mine", "frames", 0): outcome(better * mse)}
        outcomes["other", "frames", 0] = outcome(mse * generator.uniform(0.5, 1.5))
        outcomes["broken", "frames", 0] = Outcome(problem="ValueError: no | luck <b>")
        found.add(Record(f"c{cube}", ("red",), {}, outcomes), ("linear", "mine", "other", "broken"), ("frames",), (0,))
    return found
