"""What this machine can do, as far as the choice of a runtime depends on it."""

from __future__ import annotations

import functools
import os
import platform
import sys
from pathlib import Path

__all__ = ["cpu_features", "cpu_name", "describe_machine", "has_bfloat16", "usable_cores"]

_INTERESTING = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl",
    "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8",
    "asimd", "asimddp", "bf16", "i8mm", "sve",
)  # fmt: skip


@functools.lru_cache(maxsize=1)
def cpu_features() -> frozenset[str]:
    """Return the instruction sets of the processor under their Linux names.

    Empty where the system does not tell: nothing is then assumed.
    """
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


@functools.lru_cache(maxsize=1)
def cpu_name() -> str:
    """Return what the processor calls itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself (AMX, AVX-512 BF16 or Arm BF16).

    Without it bf16 is emulated, slower than fp32 and no more exact, so no runtime uses it.
    """
    return bool(cpu_features() & {"amx_bf16", "avx512_bf16", "bf16"})


def usable_cores() -> int:
    """Cores that this process may use, which on a shared machine can be fewer than it has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def describe_machine() -> str:
    """Return processor, cores, instruction sets and load in one line, for tables of figures."""
    features = " ".join(name for name in _INTERESTING if name in cpu_features())
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{cpu_name()}, {usable_cores()} cores usable, {features or 'instruction sets unknown'}, "
        f"{sys.platform}{load}"
    )
