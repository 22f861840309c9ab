"""Builds a corpus in a child process and kills it, again and again, until it is done.

Run by a test in a process of its own: ``kill_driver.py MANIFEST OUTPUT SEED KILLS``. Children are
forked before any thread exists, so that each costs milliseconds. Prints how many were killed.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

# Imported before the first fork, and not used in the parent.
import numpy as np  # noqa: F401
import polars  # noqa: F401
import scipy.fft  # noqa: F401

from ecgfoundry.corpus import BuildOptions, build_corpus
from ecgfoundry.manifest import read_manifest

TASK_BYTES = 60_000


def child(manifest: str, output: str, kill_at: int | None) -> None:
    """Build; with ``kill_at`` die by SIGKILL just before or after that file operation."""
    if kill_at is not None:
        count = 0

        def counted(function, before):
            def call(*args, **kwargs):
                nonlocal count
                count += 1
                if count == kill_at and before:
                    os.kill(os.getpid(), signal.SIGKILL)
                result = function(*args, **kwargs)
                if count == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return call

        os.fsync = counted(os.fsync, kill_at % 2 == 0)
        Path.replace = counted(Path.replace, kill_at % 2 == 0)
        Path.open = counted(Path.open, kill_at % 2 == 0)
    build_corpus(
        read_manifest(manifest), output, options=BuildOptions(task_bytes=TASK_BYTES), workers=1
    )


def main(manifest: str, output: str, seed: str, kills: str) -> None:
    generator = random.Random(int(seed))
    killed = 0
    wanted = int(kills)
    while True:
        at_operation = generator.randrange(1, 120) if generator.random() < 0.5 else None
        if killed >= wanted:
            at_operation = None
        process = os.fork()
        if process == 0:
            try:
                child(manifest, output, at_operation)
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
                os._exit(3)
        if killed < wanted and at_operation is None:
            time.sleep(generator.uniform(0.0, 0.5))
            os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        if os.WIFSIGNALED(status):
            killed += 1
            continue
        if os.WEXITSTATUS(status) != 0:
            sys.exit("a build failed")
        if killed >= wanted:
            break
        # It came to its end before it could be killed: from the start again.
        import shutil

        shutil.rmtree(output)
    print(killed)


if __name__ == "__main__":
    main(*sys.argv[1:])
