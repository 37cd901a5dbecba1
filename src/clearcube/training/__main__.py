"""`python -m clearcube.training CONFIG [DATA]`: train from a packed file, with few libraries installed."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

from clearcube.errors import InputError
from clearcube.stopping import BAD_INPUT, INTERRUPTED, TERMINATED, Terminated, how_to_go_on, terminate
from clearcube.training.config import TrainingConfig, read_config
from clearcube.training.loop import train
from clearcube.training.packing import TrainingData, check_sources, read_pack
from clearcube.training.state import STATE, check_folder, written_since


def main(arguments: list[str] | None = None) -> int:
    """Train and write each record to standard output as a line of JSON; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m clearcube.training", description=__doc__)
    parser.add_argument("config", help="TOML file")
    parser.add_argument("data", nargs="?", help="file that 'clearcube pack' made; needed where CONFIG names cubes")
    parser.add_argument("--resume", action="store_true", help="go on from the last saved state")
    parser.add_argument("--overwrite", action="store_true", help="start over where the output holds a run")
    given = parser.parse_args(arguments)
    state: Path | None = None
    since = time.time() if given.overwrite and not given.resume else 0.0

    def kept() -> Path | None:
        return state if state is not None and written_since(state, since) else None

    previous = signal.signal(signal.SIGTERM, terminate)
    go_on = {"resume": given.resume, "overwrite": given.overwrite}
    try:
        config = read_config(given.config)
        folder = Path(config.output)
        check_folder(folder, **go_on)
        state = folder / STATE
        train(config, _data(config, given.data), _written, **go_on)
    except InputError as error:
        return _stopped(f"error: {error}", BAD_INPUT)
    except OSError as error:
        return _stopped(f"error: {error.strerror or error}: {error.filename or 'the output'}", BAD_INPUT)
    except KeyboardInterrupt:
        return _stopped(f"interrupted{how_to_go_on(kept())}", INTERRUPTED)
    except Terminated:
        return _stopped(f"terminated{how_to_go_on(kept())}", TERMINATED)
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _data(config: TrainingConfig, path: str | None) -> TrainingData:
    """The packed cubes of the configuration; none where it names none.

    Raises
    ------
    InputError : it names some and there is no file of them, or the file cannot be used or holds others.
    """
    if path is None:
        if config.train or config.validation:
            raise InputError("the configuration names cubes: make DATA with 'clearcube pack CONFIG DATA', and name it")
        return TrainingData()
    data = read_pack(path)
    check_sources(data, config)
    return data


def _stopped(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


def _written(record: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
