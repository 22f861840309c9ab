"""What the system says about its processor, as x86 and Arm machines write it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ecgfoundry.inference.runtimes import hardware

X86 = """processor\t: 0
vendor_id\t: AuthenticAMD
model name\t: AMD EPYC 9R14
flags\t\t: fpu sse4_2 avx2 avx512f avx512_bf16

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
ARM = """processor\t: 0
BogoMIPS\t: 2100.00
Features\t: fp asimd asimddp i8mm bf16
"""


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    for known in (hardware.cpu_features, hardware.cpu_name):
        known.cache_clear()
    yield
    for known in (hardware.cpu_features, hardware.cpu_name):
        known.cache_clear()


def says(monkeypatch: pytest.MonkeyPatch, file: Path, text: str | None) -> None:
    if text is not None:
        file.write_text(text, encoding="utf-8")
    monkeypatch.setattr(hardware, "Path", lambda name: {"/proc/cpuinfo": file}[name])


def test_a_processor_of_amd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    says(monkeypatch, tmp_path / "cpuinfo", X86)
    assert hardware.cpu_features() == {"fpu", "sse4_2", "avx2", "avx512f", "avx512_bf16"}
    assert hardware.cpu_name() == "AMD EPYC 9R14"
    assert hardware.has_bfloat16()


def test_a_processor_of_arm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    says(monkeypatch, tmp_path / "cpuinfo", ARM)
    monkeypatch.setattr(hardware.platform, "processor", lambda: "")
    monkeypatch.setattr(hardware.platform, "machine", lambda: "aarch64")
    assert hardware.cpu_features() == {"fp", "asimd", "asimddp", "i8mm", "bf16"}
    assert hardware.cpu_name() == "aarch64"  # such a file names no model
    assert hardware.has_bfloat16()


def test_a_system_that_tells_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    says(monkeypatch, tmp_path / "missing", None)
    assert hardware.cpu_features() == frozenset()
    assert not hardware.has_bfloat16()


@pytest.mark.parametrize(("counted", "cores"), [(6, 6), (None, 1)])
def test_cores_where_the_system_knows_no_affinity(
    monkeypatch: pytest.MonkeyPatch, counted: int | None, cores: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: counted)
    assert hardware.usable_cores() == cores
