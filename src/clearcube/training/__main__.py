"""`python -m clearcube.training CONFIG DATA [--resume]`: train from a packed file, with few libraries installed."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from clearcube.errors import InputError
from clearcube.training.config import read_config
from clearcube.training.loop import train
from clearcube.training.packing import read_pack


def main(arguments: list[str] | None = None) -> int:
    """Train and write each record to standard output as a line of JSON; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clearcube.training", description=__doc__)
    parser.add_argument("config", help="TOML file")
    parser.add_argument("data", help="file that 'clearcube pack' made")
    parser.add_argument("--resume", action="store_true", help="go on from the last saved state")
    given = parser.parse_args(arguments)
    try:
        train(read_config(given.config), read_pack(given.data), _written, resume=given.resume)
    except InputError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


def _written(record: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
