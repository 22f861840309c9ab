"""Run the benchmarks and print their table: ``python -m benchmarks [--rows NAME ...] [--full]``.

Every line is flushed when it is measured; what each row took goes to standard error. The share of
the peak is that of the best matrix product just before and just after the row.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version

# One thread wherever a row does not ask for more; before any library reads it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.limits import copy_rate, network_bound, peak_gemm
from benchmarks.measure import HEADER
from benchmarks.rows import ROWS
from benchmarks.sizes import DEFAULT, FULL
from ecgfoundry import native
from ecgfoundry.inference.runtimes.hardware import describe_machine


def main() -> None:
    """Print the machine, its limits and the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW",
                        help=f"of {', '.join(ROWS)}")  # fmt: skip
    parser.add_argument("--full", action="store_true",
                        help="1,000 files and 24 h instead of 60 and 8 minutes")  # fmt: skip
    parser.add_argument("--runs", type=int, help="alternating runs of each row (5)")
    chosen = parser.parse_args()
    sizes = FULL if chosen.full else DEFAULT
    if chosen.runs is not None:
        sizes = replace(sizes, runs=chosen.runs)
    print(describe_machine())
    print(f"Python {platform.python_version()}, {_versions()}; {native.status()}")
    flops, copied = peak_gemm(), copy_rate()
    print(
        f"Limits, one core: fp32 GEMM {flops / 1e9:.0f} GFLOP/s, copy {copied / 1e9:.1f} GB/s; "
        f"so the released network is bounded at {network_bound(12, flops):.0f} (12-lead) and "
        f"{network_bound(1, flops):.0f} (1-lead) records/s in fp32"
    )
    print(
        f"Times per record, window or second of signal: median (range) of {sizes.runs} runs; "
        "ratios: median (range) of the same runs, which alternate.\n"
    )
    print(HEADER, flush=True)
    for name in chosen.rows:
        started = time.monotonic()
        # The speed of a shared machine changes by the minute, so each row has its own limit.
        before = peak_gemm()
        rows = ROWS[name](sizes)
        peak = max(before, peak_gemm())
        for row in rows:
            print(row.line(peak), flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)


def _versions() -> str:
    known = []
    for package in ("numpy", "scipy", "torch", "onnxruntime", "openvino", "wfdb"):
        try:
            known.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            known.append(f"{package} -")
    return ", ".join(known)


if __name__ == "__main__":
    main()
