"""Compile the kernels: one shared library without any Python in it, for GCC or Clang.

Used by the build hook of the wheel (``hatch_build.py``) and by hand::

    python -m ecgfoundry.native.build

Standard library only, because the build hook loads this file by its path. The arithmetic is
compiled once per instruction set and chosen at run time (``dispatch.c``): ``-march=native`` would
make a library for the building machine, and names the wrong chip on some virtual ones. No
contraction into fused multiply-adds, so that every instruction set gives
the same bits.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parent
LIBRARY = "kernels.bin"  # not .so, which Python would take for a module of its own

_COMMON = (
    "-O3",
    "-std=gnu11",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-Wall",
    "-Wextra",
)
_INSTRUCTIONS = {
    "base": (),
    "avx2": ("-mavx2", "-mfma", "-mbmi", "-mbmi2", "-mlzcnt"),
    "avx512": (
        *("-mavx512f", "-mavx512cd", "-mavx512bw", "-mavx512dq", "-mavx512vl"),
        *("-mfma", "-mbmi", "-mbmi2", "-mlzcnt", "-mprefer-vector-width=512"),
    ),
}
_PIECES = dict.fromkeys(
    (
        *("beat_features.c", "complexes.c", "detection.c", "filters.c", "median_beat.c"),
        *("morphology.c", "quality.c", "recognition.c", "spectrum.c", "standardize.c", "waves.c"),
    ),
    ("-ffp-contract=off",),
)
PLAIN_SOURCES = ("dispatch.c",)


class BuildError(Exception):
    """There is no compiler, or it failed; the message is for people."""


def find_compiler() -> list[str]:
    """Return the C compiler as a command: ``$CC``, else cc, gcc or clang.

    Raises
    ------
    BuildError
        There is none, or the system is Windows, whose compilers do not know the vector
        extensions.
    """
    if os.name == "nt":
        raise BuildError("kernels are not built on Windows")
    chosen = shlex.split(os.environ.get("CC", ""))
    if chosen:
        return chosen
    for name in ("cc", "gcc", "clang"):
        if found := shutil.which(name):
            return [found]
    raise BuildError("there is no C compiler (cc, gcc or clang)")


def build(output: Path, *, extra: tuple[str, ...] = ()) -> Path:
    """Compile into ``output``, whole or not at all.

    Parameters
    ----------
    output : Path
        The library to write.
    extra : tuple of str
        More options, such as ``-fsanitize=address,undefined``.

    Raises
    ------
    BuildError
        With what the compiler said.
    """
    compiler = find_compiler()
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    with tempfile.TemporaryDirectory(prefix="ecgfoundry-build-") as folder:
        objects = []
        for source, options in _PIECES.items():
            for name, instructions in _INSTRUCTIONS.items():
                if name != "base" and not x86:
                    continue
                target = str(Path(folder) / f"{source}.{name}.o")
                chosen = [*_COMMON, *options, *instructions, *extra, f"-DINSTRUCTIONS={name}"]
                _run([*compiler, *chosen, "-c", str(SOURCES / source), "-o", target])
                objects.append(target)
        target = str(Path(folder) / "dispatch.o")
        _run([*compiler, *_COMMON, *extra, "-c", str(SOURCES / "dispatch.c"), "-o", target])
        library = Path(folder) / LIBRARY
        _run([*compiler, "-shared", *extra, *objects, target, "-o", str(library), "-lm"])
        # By hand: the hook of the build runs this file without the package.
        temporary = output.with_name(f".{output.name}.{os.getpid()}.part")
        shutil.copyfile(library, temporary)
        temporary.chmod(0o755)
        temporary.replace(output)
    return output


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{command[0]} could not be run: {error}") from None
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise BuildError(f"{command[0]} failed: {' / '.join(lines[:3]) or done.returncode}")


if __name__ == "__main__":
    try:
        print(build(SOURCES / LIBRARY))
    except BuildError as failure:
        sys.exit(f"not built: {failure}")
