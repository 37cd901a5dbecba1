"""The command line as tests use it."""

import pickle
import subprocess
import sys

import torch
from builders import cloudy_cube
from typer.testing import CliRunner

from clearcube.cli import app

runner = CliRunner()


def run(*arguments):
    return runner.invoke(app, [str(argument) for argument in arguments])


def stored(path, cube=None, **chunks):
    cube = cloudy_cube(times=8) if cube is None else cube
    cube = cube.drop_vars("truth")
    (cube.chunk(chunks) if chunks else cube).to_zarr(path, zarr_format=2)
    return path


def assert_refused(result, *words):
    assert result.exit_code == 2, result.output
    assert result.output.startswith("error: ")
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output


def contents(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def clearcube(*arguments, **options):
    command = [sys.executable, "-m", "clearcube", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in (".zattrs", ".zmetadata")  # the time of the run is in the history
    }


class Malicious:
    def __reduce__(self):
        return (exec, ("open('clearcube-was-here', 'w')",))


def spoilt(folder, weights):
    """Name -> a file that is no good checkpoint."""
    good = (weights / "GANFilling.pt").read_bytes()
    found = {
        "truncated.pt": good[: len(good) // 2],
        "empty.pt": b"",
        "text.safetensors": b"hello",
        "short.safetensors": (weights / "suspicious.safetensors").read_bytes()[:1000],
        "pickle.pt": pickle.dumps({"model": Malicious()}),
    }
    for name, content in found.items():
        (folder / name).write_bytes(content)
    torch.save({"model": Malicious()}, folder / "malicious.pt")
    torch.save({"model": {"conv1.weight": torch.zeros(2, 4, 3, 3)}}, folder / "part.pt")
    return sorted([*found, "malicious.pt", "part.pt"])
