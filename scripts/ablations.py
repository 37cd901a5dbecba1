"""Train the networks of the ablations, all with one fixed reduced budget, and list them for scripts/results.py.

python scripts/ablations.py [--millions 100] [--out runs/ablations] [NAME ...]

Each differs from the base in what its row says and in nothing else. The budget is the number of pixels times dates that
a network learns from, about 100 million, whatever the machine: two to four minutes of one core each, half an hour in
all. Weights are judged once, at the end. What is there already is left alone, and a training that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from clearcube.training.config import SamplingConfig

CONFIGS = Path(__file__).parents[1] / "configs"
OURS, PUBLISHED = "seq2seq.toml", "ganfilling-small.toml"
SHAPE = {"free_bands": 0.0, "size": 128, "frames": 10, "dates": [10]}
"""Our samples in the shape that the published networks take."""
MILLIONS = 100
"""Pixels times dates that each network learns from, millions."""
SAVE = 200


@dataclass(frozen=True)
class Ablation:
    """What a row of the table differs in: table of the configuration -> its changed values.

    base : the configuration that is changed.
    """

    about: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    base: str = OURS


ABLATIONS: Mapping[str, Ablation] = {
    "ours": Ablation("both directions, masks, anomalies"),
    "causal": Ablation("knows earlier dates alone", {"network": {"causal": True}}),
    "no-masks": Ablation("is not told what is observed, nor how far neighbours are", {"network": {"masks": False}}),
    "no-anomalies": Ablation("reflectance in place of anomalies", {"network": {"anomalies": False}}),
    "frame-to-frame": Ablation(
        "no memory: each date with its neighbours' interpolation alone",
        {"network": {"hidden": [0, 0, 0], "look_hidden": [0, 0]}},
    ),
    "ganfilling-retrained": Ablation("the published network at width 8, retrained as published", base=PUBLISHED),
    "ganfilling-retrained-ours": Ablation(
        "the published network at width 8, retrained our way",
        {"network": {"kind": "ganfilling", "width": 8}, "sampling": SHAPE},
    ),
    "frame2frame-retrained-ours": Ablation(
        "the same without memory, retrained our way",
        {"network": {"kind": "frame2frame", "width": 8}, "sampling": SHAPE},
    ),
}
"""Name -> what is trained."""


def main() -> None:
    """Train what is not there yet, and write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ABLATIONS)}; all where none is given")
    parser.add_argument("--millions", type=float, default=MILLIONS, help="pixels times dates to learn from")
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--configs-only", action="store_true", help="write the configurations and train nothing")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in ABLATIONS]
    if unknown:
        parser.error(f"there is no ablation '{unknown[0]}'; there are {', '.join(ABLATIONS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names or ABLATIONS:
        path = given.out / f"{name}.toml"
        path.write_text(as_toml(configuration(name, given.out, given.millions)), encoding="utf-8")
        if not given.configs_only:
            train(path, given.out / name)
    (given.out / "ablations.toml").write_text(listing(given.out, given.millions), encoding="utf-8")


def configuration(name: str, out: Path, millions: float) -> dict[str, Any]:
    """The configuration of an ablation: its base, its changes, the budget."""
    chosen = ABLATIONS[name]
    base = tomllib.loads((CONFIGS / chosen.base).read_text(encoding="utf-8"))
    changed = json.loads(json.dumps(base)) | {"output": str(out / name), "start": ""}
    for table, values in chosen.changes.items():
        changed[table] = changed.get(table, {}) | dict(values)
    steps = steps_of(changed.get("sampling", {}), millions)
    changed["optimisation"] = changed.get("optimisation", {}) | {"steps": steps, "hours": 100.0}
    changed["check"] = {"every": steps, "save": SAVE, "pictures": False}
    return changed


def steps_of(sampling: Mapping[str, Any], millions: float) -> int:
    """Steps in which the budget is learned from."""
    config = replace(SamplingConfig(), **sampling)
    return max(round(millions * 1e6 / (config.frames * config.size**2)), 1)


def train(config: Path, folder: Path) -> None:
    """Train, or go on where a training was stopped, unless its checkpoint is there."""
    checkpoint = folder.with_suffix(".safetensors")
    if checkpoint.exists():
        return
    resume = ["--resume"] if (folder / "state.pt").is_file() else []
    subprocess.run([sys.executable, "-m", "clearcube", "train", str(config), *resume], check=True)
    partial = checkpoint.with_suffix(".part")
    shutil.copy(folder / "last.safetensors", partial)
    partial.rename(checkpoint)


def listing(folder: Path, millions: float) -> str:
    """The trained ablations, as scripts/results.py reads them."""
    lines = [f"budget = {json.dumps(f'{millions:g} million pixels times dates')}", ""]
    for name, ablation in ABLATIONS.items():
        if (folder / f"{name}.safetensors").exists():
            entry = {"name": name, "checkpoint": f"{name}.safetensors", "about": ablation.about}
            lines += ["[[ablation]]", *(f"{key} = {json.dumps(value)}" for key, value in entry.items()), ""]
    return "\n".join(lines)


def as_toml(table: Mapping[str, Any], prefix: str = "") -> str:
    """A table of plain values, tables and lists of tables as TOML."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in table.items() if not nested(value)]
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{prefix}{key}]", as_toml(value, f"{prefix}{key}.")]
        elif nested(value):
            for each in value:
                lines += ["", f"[[{prefix}{key}]]", as_toml(each, f"{prefix}{key}.")]
    return "\n".join(lines) + "\n"


def nested(value: Any) -> bool:
    """Whether a value is a table or a list of tables."""
    return isinstance(value, Mapping) or (isinstance(value, list) and bool(value) and isinstance(value[0], Mapping))


if __name__ == "__main__":
    main()
