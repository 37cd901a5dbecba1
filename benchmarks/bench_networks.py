"""Speed of the networks per pixel and date, as ratios within one run, and the memory that a large fill takes.

    python -m benchmarks.bench_networks [--weights FILE] [--runs 5] [--threads 2] [--side 1024]

The networks take turns on the same series of 128 x 128 pixels, 10 and 30 dates and 4 bands, in float32 and in bfloat16
autocast; the medians count. U-TILISE fills windows of 10 dates, every fifth, and joins them, so that of a longer series
it sees most dates twice. Ours does all that it does in a fill: features, both looks, std. The published ones have
the sizes that they were published with. On a GPU, where there is one, times are taken after it has finished.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import torch
from torch import Tensor, nn

from benchmarks.bench_engine import TIMES, make_cube
from clearcube.network_filler import embedded_weights
from clearcube.networks import ganfilling, utilise
from clearcube.networks.checkpoint import load

SIZE, BANDS = 128, 4
DATES = (10, 30)
AT_LEAST, AIM = 20, 40
"""Times the rate of the published networks."""
MOST_MEMORY = 3.0
"""GB that a cube of 1024 x 1024 x 30 may take."""
OURS = "seq2seq"
Networks = dict[str, Callable[[], Tensor]]

CHILD = """
import sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")
from clearcube.workflows.fill import FillRequest, fill_files
options = {"weights": sys.argv[3]} if len(sys.argv) > 3 else {}
request = FillRequest((sys.argv[1],), Path(sys.argv[2]), "seq2seq", {"mask": "observed"}, options)
fill_files(request, lambda phase, done, total: None)
"""


def networks(path: Path, device: torch.device, dates: int) -> Networks:
    """Name -> a call that fills a series of so many dates once."""
    torch.manual_seed(0)
    series = torch.rand(1, dates, BANDS, SIZE, SIZE, device=device) * 0.4
    observed = torch.rand(1, dates, SIZE, SIZE, device=device) > 0.4
    days = torch.arange(0, 5 * dates, 5, device=device)[None].float()
    wavelengths = torch.tensor([490.0, 560.0, 665.0, 842.0], device=device)
    ours = load(path)[0].requires_grad_(False).to(device)
    published = ganfilling.Generator(ganfilling.GanFillingConfig()).requires_grad_(False).eval().to(device)
    peer = utilise.Utilise(utilise.UtiliseConfig()).requires_grad_(False).eval().to(device)
    images, masked = ganfilling.published_input(series), utilise.published_input(series, observed)
    return {
        OURS: lambda: ours(series, observed, days, days + 100, wavelengths).mean,
        "ganfilling, d = 64": lambda: published(images.permute(0, 2, 3, 4, 1)),
        "utilise": lambda: peer.fill(masked, days + 100),
    }


def seconds(called: Networks, precision: torch.dtype, device: torch.device, runs: int) -> dict[str, float]:
    """Name -> median time of a call; the networks take turns, after one call each to warm up."""
    times: dict[str, list[float]] = {name: [] for name in called}
    with torch.inference_mode(), torch.autocast(device.type, precision, enabled=precision != torch.float32):
        for _ in range(runs + 1):
            for name, call in called.items():
                start = time.perf_counter()
                call()
                if device.type == "cuda":
                    torch.cuda.synchronize()
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(each[1:]) for name, each in times.items()}


def ceiling(precision: torch.dtype, device: torch.device) -> float:
    """Rate of matrix products here, 10^12 operations a second: the best of some calls."""
    size = 8192 if device.type == "cuda" else 2048
    one, other = (torch.rand(size, size, dtype=precision, device=device) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        start = time.perf_counter()
        one @ other
        if device.type == "cuda":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e12


def operations(call: Callable[[], Tensor]) -> float:
    """Multiplications and additions of a call, 10^9."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9


def peak_memory(side: int, weights: Path | None, folder: Path) -> tuple[float, float]:
    """Peak memory in GB and seconds of a fill of side x side x 30 in a process of its own."""
    make_cube(folder / "cube.zarr", side, side, "time-deep")
    arguments = [sys.executable, "-c", CHILD, str(folder / "cube.zarr"), str(folder / "filled.zarr")]
    start = time.perf_counter()
    process = subprocess.Popen(arguments + ([str(weights)] if weights else []))
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit("the fill failed")
    return usage.ru_maxrss / 1e6, time.perf_counter() - start


def parameters(network: nn.Module) -> int:
    """Number of weights."""
    return sum(p.numel() for p in network.parameters())


def compare(called: Networks, dates: int, device: torch.device, runs: int) -> None:
    """Print the rows of the networks for series of so many dates."""
    work = {name: operations(call) for name, call in called.items()}
    for precision in (torch.float32, torch.bfloat16):
        found, top = seconds(called, precision, device, runs), ceiling(precision, device)
        kind = str(precision).removeprefix("torch.")
        for name, time_taken in found.items():
            ratio = "" if name == OURS else f"{time_taken / found[OURS]:.1f} times (limit {AT_LEAST}, aim {AIM})"
            rate, share = SIZE**2 * dates / time_taken / 1e6, work[name] / 1e3 / time_taken / top
            print(f"| {dates} | {name} | {kind} | {work[name]:.1f} | {rate:.3f} | {ratio} | {share:.2f} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", type=int, default=1024, help="of the cube whose memory is measured; 0 = none")
    given = parser.parse_args()
    path = given.weights or embedded_weights(OURS)
    if path is None:
        raise SystemExit("no weights of seq2seq are embedded; give --weights FILE")
    torch.set_num_threads(given.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{given.threads} threads"
    print(f"{where}; {path.name}, {parameters(load(path)[0]):,} weights\n")
    print(f"| dates | network | precision | GFLOP | million pixel-frames/s | {OURS} is faster | of matrix products |")
    print("|---|---|---|---|---|---|---|")
    for dates in DATES:
        compare(networks(path, device, dates), dates, device, given.runs)
    if given.side:
        folder = Path(mkdtemp())
        try:
            peak, taken = peak_memory(given.side, given.weights, folder)
        finally:
            shutil.rmtree(folder)
        rate = given.side**2 * TIMES / taken / 1e6
        print(
            f"\nFilling {given.side} x {given.side} x {TIMES}: peak memory {peak:.2f} GB (limit {MOST_MEMORY:.0f}), "
            f"{rate:.2f} million pixel-frames/s, starting the program and measuring errors included."
        )
    print(f"\nload average: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
