"""Jobs for the compiled kernels: fields by name, memory that stays, refusals that are told."""

from __future__ import annotations

import ctypes
import gc
import weakref

import numpy as np
import pytest

from ecgfoundry import native
from ecgfoundry.measurements import morphology_kernel
from ecgfoundry.native.jobs import Job, arrays, as_read, counts, numbers


class Medians(Job):  # ecgfoundry_medians_job of filters.h
    kernel = "medians"
    _fields_ = (*arrays("input", "output"), *counts("groups", "members", "columns"))


def medians(values: np.ndarray, **other: object) -> Medians:
    members, columns = values.shape
    fields = {"input": values, "groups": 1, "members": members, "columns": columns}
    return Medians(**(fields | other))


def test_fields_have_the_types_of_c_in_their_order() -> None:
    assert [*arrays("x"), *counts("n", "m"), *numbers("rate")] == [
        ("x", ctypes.c_void_p),
        ("n", ctypes.c_int64),
        ("m", ctypes.c_int64),
        ("rate", ctypes.c_double),
    ]


def test_a_field_that_is_not_there_is_refused() -> None:
    with pytest.raises(TypeError, match="unexpected"):
        medians(np.ones((3, 2)), colums=2)


def test_a_job_keeps_its_arrays() -> None:
    values = np.array([[3.0, 1.0], [1.0, 5.0], [2.0, 3.0]])
    watched = weakref.ref(values)
    output = np.zeros(2)
    job = medians(values, output=output)
    del values
    gc.collect()
    assert watched() is not None and job.input == watched().ctypes.data
    if native.status().available:
        assert job.run()
        assert output.tolist() == [2.0, 3.0]
    del job
    gc.collect()
    assert watched() is None


def test_without_kernels_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(native.VARIABLE, "0")
    assert not medians(np.ones((3, 2)), output=np.empty(2)).run()


def test_what_a_kernel_does_not_take_is_not_done() -> None:
    """No member has a median."""
    assert not medians(np.ones((1, 2)), members=0, output=np.empty(2)).run()


def test_figures_that_c_does_not_know_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a field that one side gained would move all values behind it."""
    if not native.status().available:
        pytest.skip(f"no compiled kernels: {native.status().reason}")
    beat = np.sin(np.arange(60.0))[np.newaxis]
    waves = dict.fromkeys(("p", "qrs", "t"), (np.nan, np.nan))

    def measure() -> np.ndarray | None:
        return morphology_kernel.measure_morphology(beat, 500.0, waves, {}, terminal=-1)

    assert measure() is not None and measure().shape == (1, 28)
    monkeypatch.setattr(morphology_kernel, "FIGURES", morphology_kernel.FIGURES[:-1])
    with pytest.raises(RuntimeError, match="'morphology' refused a job"):
        measure()


def test_arrays_are_laid_out_as_kernels_read_them() -> None:
    turned = np.arange(6, dtype=np.int16).reshape(2, 3).T
    read = as_read(turned)
    assert read.flags.c_contiguous and read.dtype == np.float64
    assert read.tolist() == [[0, 3], [1, 4], [2, 5]]
    assert as_read(read) is read
