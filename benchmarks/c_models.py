"""A C export as a library of this process, to measure and to test what its files compute."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["SOURCES", "Answer", "CompiledModel", "compiler"]

SOURCES = ("ecg_model.c", "ecg_quality.c", "ecg_standardize.c", "ecg_tables.c")
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")


def compiler() -> str | None:
    """Return the C compiler of this machine."""
    return shutil.which("cc") or shutil.which("gcc")


def sources(*, int8: bool) -> list[str]:
    """Return the files of one kind of the model."""
    kind = "int8" if int8 else "float"
    return [*SOURCES, f"ecg_layers_{kind}.c", f"ecg_weights_{kind}.c"]


@dataclass(frozen=True)
class Answer:
    """``ecg_answer``; arrays (targets,)."""

    status: int
    warnings: int
    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    present: tuple[int, ...]


class CompiledModel:
    """The files of an export, compiled as they stand.

    Parameters
    ----------
    folder : Path
        Of the export.
    targets : int
    int8 : bool
    options : sequence of str
        Further options of the compiler.
    """

    def __init__(
        self, folder: Path, targets: int, *, int8: bool, options: tuple[str, ...] = ("-O2",)
    ) -> None:
        found = compiler()
        if found is None:
            raise RuntimeError("there is no C compiler")
        name = "int8" if int8 else "float"
        library = folder / f"libecg_{name}.so"
        define = ["-DECG_INT8"] if int8 else []
        command = [found, *STRICT, *options, *define, "-shared", "-fPIC", *sources(int8=int8)]
        subprocess.run([*command, "-lm", "-o", library.name], cwd=folder, check=True)
        self._library = ctypes.CDLL(str(library))
        self._suffix = "_int8" if int8 else ""

        class EcgAnswer(ctypes.Structure):
            _fields_ = (
                ("status", ctypes.c_int),
                ("warnings", ctypes.c_uint32),
                ("logits", ctypes.c_float * targets),
                ("probabilities", ctypes.c_float * targets),
                ("present", ctypes.c_int8 * targets),
            )

        self._answer = EcgAnswer
        self.workspace_bytes = int(self._function("workspace_bytes")())
        self._workspace = ctypes.create_string_buffer(self.workspace_bytes)

    def _function(self, name: str) -> ctypes._NamedFuncPointer:
        suffix = "" if name == "decide" else self._suffix
        return getattr(self._library, f"ecg_{name}{suffix}")

    def reset(self) -> int:
        """Start a window."""
        return int(self._function("reset")(self._workspace))

    def push(self, millivolts: NDArray[np.floating]) -> int:
        """Give samples; return the status."""
        x = np.ascontiguousarray(millivolts, dtype=np.float32)
        return int(self._function("push")(self._workspace, ctypes.c_void_p(x.ctypes.data), x.size))

    def run(self, *, level: int = 1) -> Answer:
        """Answer for the window."""
        answer = self._answer()
        self._function("run")(self._workspace, level, ctypes.byref(answer))
        return self._read(answer)

    def answer(self, window: NDArray[np.floating], *, level: int = 1) -> Answer:
        """Answer for a whole window (samples,) in mV; level 0 is of a window, 1 of a record."""
        self.reset()
        status = self.push(window)
        if status:
            raise ValueError(f"the window was not taken: status {status}")
        return self.run(level=level)

    def decide(self, logits: NDArray[np.floating], *, level: int = 1) -> Answer:
        """Calibrate and decide."""
        x = np.ascontiguousarray(logits, dtype=np.float32)
        answer = self._answer()
        answer.status = self._function("decide")(
            ctypes.c_void_p(x.ctypes.data), level, ctypes.byref(answer)
        )
        return self._read(answer)

    def assess(self, window: NDArray[np.floating]) -> tuple[int, int]:
        """Return the status and the warnings of the gate."""
        self.reset()
        warnings = ctypes.c_uint32()
        status = self.push(window)
        status = status or self._function("assess")(self._workspace, ctypes.byref(warnings))
        return int(status), int(warnings.value)

    def standardized(self, window: NDArray[np.floating], samples: int) -> NDArray[np.float32]:
        """Return the window as the network gets it."""
        self.reset()
        warnings, place = ctypes.c_uint32(), ctypes.POINTER(ctypes.c_float)()
        status = self.push(window)
        status = status or self._function("assess")(self._workspace, ctypes.byref(warnings))
        status = status or self._function("standardize")(self._workspace, ctypes.byref(place))
        if status:
            raise ValueError(f"status {status}")
        return np.ctypeslib.as_array(place, (samples,)).copy()

    def _read(self, answer: ctypes.Structure) -> Answer:
        return Answer(
            int(answer.status),
            int(answer.warnings),
            np.array(answer.logits, dtype=np.float32),
            np.array(answer.probabilities, dtype=np.float32),
            tuple(answer.present),
        )
