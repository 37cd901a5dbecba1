"""Train the networks of the ablations, all with one fixed reduced budget, and list them for scripts/results.py.

python scripts/ablations.py [--base configs/seq2seq.toml] [--steps 3000] [--hours 0.3] [--out runs/ablations] [NAME ...]

Each differs from the base in what its row says and in nothing else. Those whose checkpoint is there are left alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PUBLISHED_LOSS = {
    **{"absolute": 100.0, "adversarial": 1.0, "distance": 0.0, "likelihood": 0.0, "gradient": 0.0},
    **{"spectral": 0.0, "contamination": 0.0, "believed": 0.0},
}
PUBLISHED_SAMPLES = {"way": "delivered", "patterns": 0.1, "free_bands": 0.0, "size": 128, "frames": 10, "dates": [10]}
GANFILLING = {"kind": "ganfilling", "width": 8}
OUR_SAMPLES = {"free_bands": 0.0, "size": 128, "frames": 10, "dates": [10]}
"""Our samples in the shape that the published networks take."""


@dataclass(frozen=True)
class Ablation:
    """What a row of the table differs in: table of the configuration -> its changed values."""

    about: str
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


ABLATIONS: Mapping[str, Ablation] = {
    "ours": Ablation("as shipped, with the reduced budget"),
    "adversarial": Ablation("with the adversarial part", {"loss": {"adversarial": 0.01}}),
    "no-memory": Ablation(
        "frame to frame: no recurrence in time", {"network": {"hidden": [0, 0, 0], "look_hidden": [0, 0]}}
    ),
    "ganfilling-ours": Ablation(
        "the published network, small, trained our way", {"network": GANFILLING, "sampling": OUR_SAMPLES}
    ),
    "ganfilling-published": Ablation(
        "the published network, small, trained as published",
        {"network": GANFILLING, "sampling": PUBLISHED_SAMPLES, "loss": PUBLISHED_LOSS},
    ),
    "frame2frame-ours": Ablation(
        "the published network without memory, small, trained our way",
        {"network": {"kind": "frame2frame", "width": 8}, "sampling": OUR_SAMPLES},
    ),
}
"""Name -> what is trained."""


def main() -> None:
    """Train what is not there yet, and write the list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(ABLATIONS)}; all where none is given")
    parser.add_argument("--base", type=Path, default=Path("configs/seq2seq.toml"))
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--hours", type=float, default=0.3)
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"))
    parser.add_argument("--configs-only", action="store_true", help="write the configurations and train nothing")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in ABLATIONS]
    if unknown:
        parser.error(f"there is no ablation '{unknown[0]}'; there are {', '.join(ABLATIONS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    base = tomllib.loads(given.base.read_text(encoding="utf-8"))
    for name in given.names or ABLATIONS:
        config = given.out / f"{name}.toml"
        config.write_text(as_toml(configuration(base, name, given)), encoding="utf-8")
        checkpoint = given.out / f"{name}.safetensors"
        if given.configs_only or checkpoint.exists():
            continue
        subprocess.run([sys.executable, "-m", "clearcube", "train", str(config)], check=True)
        shutil.copy(best(given.out / name), checkpoint)
    (given.out / "ablations.toml").write_text(listing(given.out), encoding="utf-8")


def configuration(base: Mapping[str, Any], name: str, given: argparse.Namespace) -> dict[str, Any]:
    """The configuration of an ablation: the base, its changes, the budget."""
    changed = json.loads(json.dumps(base)) | {"output": str(given.out / name), "start": ""}
    for table, values in ABLATIONS[name].changes.items():
        changed[table] = changed.get(table, {}) | dict(values)
    budget = {"steps": given.steps, "hours": given.hours}
    changed["optimisation"] = changed.get("optimisation", {}) | budget
    return changed


def best(folder: Path) -> Path:
    """The checkpoint that a training leaves, its best where it says so."""
    found = sorted(folder.glob("*.safetensors"), key=lambda path: ("best" in path.name, path.stat().st_mtime))
    if not found:
        raise SystemExit(f"the training left no checkpoint in {folder}")
    return found[-1]


def listing(folder: Path) -> str:
    """The trained ablations, as scripts/results.py reads them."""
    lines = []
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
