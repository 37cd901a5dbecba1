"""How long starting takes: `import clearcube` against `import xarray`, and `clearcube --help`.

python -m benchmarks.bench_imports
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

REPEATS = 7


def seconds(*command: str) -> float:
    """Median wall time of a command in a new process, after a first one that fills the caches."""
    subprocess.run(command, check=True, capture_output=True)
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    nothing = seconds(sys.executable, "-c", "pass")
    xarray = seconds(sys.executable, "-c", "import xarray")
    both = seconds(sys.executable, "-c", "import xarray, clearcube")
    alone = seconds(sys.executable, "-c", "import clearcube")
    shown = seconds(sys.executable, "-m", "clearcube", "--help")
    print("| what | seconds | limit |\n|---|---|---|")
    print(f"| `import xarray` | {xarray - nothing:.2f} | |")
    print(f"| `import clearcube`, beyond `import xarray` | {both - xarray:.3f} | 0.1 |")
    print(f"| `import clearcube` alone | {alone - nothing:.3f} | |")
    print(f"| `clearcube --help`, the whole command | {shown:.2f} | 0.4 |")


if __name__ == "__main__":
    main()
