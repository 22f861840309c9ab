"""One worker: reads job numbers from standard input, damages and reads a file for each."""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path

MEMORY_BYTES = 1 << 30


def main(seeds_path: str, folder: str, seed: int) -> None:
    """Answer every number with one JSON line: format, mutation, outcome, detail."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from tests.fuzz.checks import outcome
    from tests.fuzz.mutations import damaged
    from tests.fuzz.seeds import Seed, random_for, stage

    groups: dict[str, list[Seed]] = {}
    for entry in json.loads(Path(seeds_path).read_text()):
        one = Seed(
            entry["format"],
            Path(entry["target"]),
            tuple(map(Path, entry["beside"])),
            entry["opened"],
            entry["stated"],
        )
        groups.setdefault(one.format, []).append(one)
    formats = sorted(groups)
    # Private memory of the whole process; what the libraries map at their import counts, too.
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    place = Path(folder)
    for line in sys.stdin:
        number = int(line)
        generator = random_for(number, seed)
        format = formats[number % len(formats)]
        chosen = groups[format][int(generator.integers(len(groups[format])))]
        target = stage(chosen, place)
        mutation, content = damaged(chosen.target.read_bytes(), generator)
        target.write_bytes(content)
        answer = {"number": number, "format": format, "mutation": mutation,
                  "file": chosen.target.name}  # fmt: skip
        print(json.dumps({**answer, "begins": True}), flush=True)
        try:
            kind, detail = outcome(place / chosen.read_name, chosen.stated or {})
        except AssertionError as error:
            kind, detail = "broken", str(error)
        except MemoryError:
            kind, detail = "memory", traceback.format_exc(limit=-2)
        except BaseException:
            kind, detail = "untyped", traceback.format_exc(limit=-3)
        if "the memory limit was reached" in detail:
            kind = "memory"
        print(json.dumps({**answer, "outcome": kind, "detail": detail}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
