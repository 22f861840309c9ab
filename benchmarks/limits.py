"""What this machine can do at most: matrix products and copies, measured."""

from __future__ import annotations

import time

import numpy as np

NETWORK_GMAC = {12: 1.169, 1: 1.141}
"""Multiply-adds of the released networks per 10-s record, in 1e9 (counted from the shapes)."""


def peak_gemm(*, size: int = 1024, runs: int = 7) -> float:
    """Return the best rate of a square fp32 product on one thread, in FLOP/s of processor time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        a, b = torch.randn(size, size), torch.randn(size, size)
        torch.mm(a, b)
        best = 0.0
        for _ in range(runs):
            start = time.process_time()
            for _ in range(4):
                torch.mm(a, b)
            best = max(best, 4 * 2 * size**3 / (time.process_time() - start))
        return best
    finally:
        torch.set_num_threads(before)


def copy_rate(*, megabytes: int = 256, runs: int = 7) -> float:
    """Return the best rate of a copy on one thread, bytes read plus written per second."""
    source = np.ones(megabytes << 17, dtype=np.float64)
    target = np.empty_like(source)
    np.copyto(target, source)
    best = 0.0
    for _ in range(runs):
        start = time.process_time()
        np.copyto(target, source)
        best = max(best, 2 * source.nbytes / (time.process_time() - start))
    return best


def network_bound(leads: int, flops: float) -> float:
    """Return records/s of the released network if all of it ran at ``flops``."""
    return flops / (2e9 * NETWORK_GMAC[leads])
