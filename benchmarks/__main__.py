"""All benchmarks, one after the other, as tables in Markdown: `python -m benchmarks`. Wants an idle machine."""

from __future__ import annotations

import subprocess
import sys

PARTS = (
    "bench_imports",
    "bench_linear",
    "bench_methods",
    "bench_simulation",
    "bench_evaluation",
    "bench_engine",
    "bench_networks",
    "bench_seams",
    "bench_forecast",
)


def main() -> None:
    """Run each in a process of its own, so that none warms another up."""
    for part in PARTS:
        print(f"\n## {part.removeprefix('bench_')}\n", flush=True)
        arguments = ["--twice"] if part == "bench_engine" else []
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}", *arguments], check=True)


if __name__ == "__main__":
    main()
