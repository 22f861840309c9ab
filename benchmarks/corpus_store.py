"""The corpus store against a plain memory map, and the build against a straightforward loop.

``python -m benchmarks.corpus_store`` simulates recordings, builds a corpus of them and prints two
tables. The candidates alternate within one run; CPU time counts for the build and for warm reads,
wall time for cold ones. "Cold" means that the pages of all shards were given back before each batch
(``posix_fadvise DONTNEED``); what a virtual disk caches below that is not ours.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import scipy.signal as ss

from ecgfoundry.corpus import BuildOptions, Corpus, build_corpus, open_corpus
from ecgfoundry.corpus.standardized import (
    STORAGES,
    Input,
    build_cache,
    find_cache,
    standardize_segments,
)
from ecgfoundry.engines import Engine
from ecgfoundry.engines.pool import start_worker
from ecgfoundry.formats.wfdb.writer import write_wfdb
from ecgfoundry.leads import STANDARD_12_LEADS
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.recording import Recording
from ecgfoundry.synthesis.ecg import BeatShape, Noise, Rhythm, simulate_ecg

BATCH = 256
TABLES = ("build", "read", "cache", "twelve", "scaling", "size", "memory")
RATE = 500.0


def make_recordings(folder: Path, records: int, minutes: float) -> Manifest:
    """Write records of lead II, 500 Hz, format 16."""
    rows = []
    for number in range(records):
        generator = np.random.default_rng(number)
        noise = Noise(loss_rate=0.0, motion_rate=0.2)
        ecg = simulate_ecg(
            Rhythm(60.0 + number % 40),
            BeatShape(),
            noise,
            duration_s=60.0 * minutes,
            sampling_rate=RATE,
            generator=generator,
        )
        write_wfdb(Recording(ecg[np.newaxis], RATE, ("II",)), folder, f"r{number}")
        rows.append(ManifestRow(f"r{number}", f"r{number}.hea", patient=f"p{number}"))
    return Manifest(tuple(rows), folder)


def reference_segment(path: Path, start: int) -> np.ndarray:
    """One segment as a straightforward loop makes it: rdrecord, filter_bandpass, z-score."""
    import wfdb

    record = wfdb.rdrecord(str(path), sampfrom=start, sampto=start + 5000)
    x = record.p_signal.T
    notch = ss.iirnotch(50, 30, RATE)
    x = ss.filtfilt(*notch, x)
    x = ss.filtfilt(*ss.butter(N=4, Wn=[0.67, 40], btype="bandpass", fs=RATE), x)
    baseline = np.stack([ss.medfilt(lead, kernel_size=201) for lead in x])
    x = x - baseline
    return ((x - x.mean()) / (x.std() + 1e-8)).astype(np.float32)


def build_table(manifest: Manifest, work: Path, runs: int) -> None:
    """Segments per second of CPU, both ways, alternating."""
    sink = work / "reference.npy"
    ours, theirs, whole, segments = [], [], [], 0
    for run in range(runs + 1):
        target = work / "build"
        shutil.rmtree(target, ignore_errors=True)
        start = time.process_time()
        segments = build_corpus(manifest, target).document["segments"]
        built = time.process_time() - start
        corpus = open_corpus(target)
        batch = np.arange(min(BATCH, segments))
        start = time.process_time()  # what the reference has done to a segment by then
        standardize_segments(corpus.read(batch), RATE, "ecgfounder-finetune@1")
        standardized = (time.process_time() - start) / len(batch)
        count = 60
        start = time.process_time()
        kept = []
        for position in range(count):
            name = manifest.rows[position % len(manifest)].record
            kept.append(
                reference_segment(manifest.folder / name, 5000 * (position // len(manifest)))
            )
        np.save(sink, np.stack(kept))
        looped = (time.process_time() - start) / count
        if run:  # the first run pays for imports
            ours.append(built / segments)
            theirs.append(looped)
            whole.append(built / segments + standardized)
    ratios = np.array(theirs) / np.array(ours)
    print(f"\n## Build: {segments} segments, one core, {runs} alternating runs\n")
    print("| way | µs of CPU per segment (median) | segments/s |\n| --- | --- | --- |")
    for name, values in (
        ("wfdb.rdrecord + filter_bandpass + z-score, one by one", theirs),
        ("corpus build (gate, checksums and index included; raw samples, no filter)", ours),
        ("corpus build + reading and standardizing every segment afterwards", whole),
    ):
        middle = float(np.median(values))
        print(f"| {name} | {1e6 * middle:.0f} | {1 / middle:.0f} |")
    print(f"\nbuild is × {np.median(ratios):.1f} ({ratios.min():.1f} to {ratios.max():.1f})")


def drop_pages(files: list[Path]) -> None:
    """Give the cached pages of these files back."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def read_table(corpus: Corpus, root: Path, batches: int) -> None:
    """Random batches, cold and warm, against ``np.load(mmap_mode="r")`` in the same run."""
    index = corpus.index
    names = index["shard"].unique(maintain_order=True).to_list()
    files = [root / name for name in names]
    code = {name: k for k, name in enumerate(names)}
    shards = np.array([code[name] for name in index["shard"]])
    rows = index["row"].to_numpy()

    def plain(positions: np.ndarray) -> np.ndarray:
        return np.stack([maps[shards[p]][rows[p]] for p in positions])

    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "plain np.memmap": plain,
        "Corpus.read_int16": lambda positions: fresh.read_int16(positions),
        "Corpus.read (mV)": lambda positions: fresh.read(positions),
    }
    generator = np.random.default_rng(0)
    times: dict[tuple[str, str], list[float]] = {}
    for heat in ("cold", "warm"):
        if heat == "warm":
            for file in files:
                file.read_bytes()
        # Opened before the batches: what is measured is reading, not opening.
        maps = [np.load(file, mmap_mode="r") for file in files]
        fresh = open_corpus(root)
        clock = time.perf_counter
        if heat == "warm":  # every page is touched through both maps, so that none faults later
            clock = time.process_time
            for first in range(0, len(corpus), BATCH):
                own = np.arange(first, min(first + BATCH, len(corpus)))
                plain(own)
                fresh.read_int16(own)
        for _ in range(batches):
            for name, read in ways.items():
                positions = generator.choice(len(corpus), BATCH, replace=False)
                if heat == "cold":
                    del maps, fresh  # mapped pages are not given back
                    drop_pages(files)
                    maps = [np.load(file, mmap_mode="r") for file in files]
                    fresh = open_corpus(root)
                    for k in range(len(files)):
                        fresh._mapped.open(k)
                start = clock()
                read(positions)
                times.setdefault((name, heat), []).append(clock() - start)
    print(f"\n## Reading: {len(corpus)} segments in {len(files)} shards, batches of {BATCH}, "
          f"{batches} batches each, one core\n")  # fmt: skip
    print("| way | cold, segments/s (best) | warm, segments/s (best) |\n| --- | --- | --- |")
    for name in ways:
        shown = []
        for heat in ("cold", "warm"):
            values = np.array(times[name, heat])
            shown.append(f"{BATCH / np.median(values):,.0f} ({BATCH / values.min():,.0f})")
        print(f"| {name} | {' | '.join(shown)} |")
    for heat in ("cold", "warm"):
        ratio = np.array(times["plain np.memmap", heat]) / times["Corpus.read_int16", heat]
        print(f"\nread_int16 against the plain map, {heat}: × {np.median(ratio):.2f}")


def cache_table(corpus: Corpus, batches: int) -> None:
    """Standardized batches: afresh, and from the cache by recipe; what float16 rounds away."""
    recipe = "ecgfounder-finetune@1"
    wanted = Input.of(recipe, corpus.leads, corpus.leads)
    kept = {}
    for storage in STORAGES:
        start = time.process_time()
        build_cache(corpus, wanted, storage=storage)
        spent = time.process_time() - start
        found = find_cache(corpus, wanted, storage)
        if found is None:
            raise RuntimeError("the cache that was made is not found")
        kept[storage] = (found, spent / len(corpus))
    ways: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "read and standardize": lambda p: standardize_segments(corpus.read(p), RATE, recipe),
        "cache, float32": kept["float32"][0].read,
        "cache, float16": kept["float16"][0].read,
    }
    generator = np.random.default_rng(1)
    times: dict[str, list[float]] = {}
    for turn in range(batches + 1):
        positions = generator.choice(len(corpus), BATCH, replace=False)
        made = {}
        for name, read in ways.items():
            read(positions)  # every page is touched before the clock starts
            start = time.process_time()
            made[name] = read(positions)
            if turn:
                times.setdefault(name, []).append(time.process_time() - start)
        fresh, exact, rounded = made.values()
        if not np.array_equal(fresh, exact):
            raise RuntimeError("the cache differs from what standardizing gives")
        error = np.abs(rounded - fresh)
    print(f"\n## Standardized batches of {BATCH} ({recipe}), warm, CPU of one core\n")
    print("| way | segments/s | bytes per segment | building, µs per segment |")
    print("| --- | --- | --- | --- |")
    for name, values in times.items():
        storage = name.rpartition(" ")[2]
        size = wanted.samples * len(wanted.leads) * int(STORAGES.get(storage, "<i2")[-1])
        built = f"{1e6 * kept[storage][1]:.0f}" if storage in kept else ""
        print(f"| {name} | {BATCH / np.median(values):,.0f} | {size} | {built} |")
    ratio = np.array(times["read and standardize"]) / np.array(times["cache, float32"])
    print(f"\nfrom the cache (float32, the same bits): × {np.median(ratio):.0f}")
    print(f"float16 against float32, z-scores: rms {np.sqrt((error**2).mean()):.1e}, "
          f"largest {error.max():.1e} (largest value {np.abs(fresh).max():.0f})")  # fmt: skip


def twelve_lead_table(work: Path, records: int, runs: int) -> None:
    """Twelve-lead records of 10 s, each in a file of its own: to the store, and read from it."""
    folder = work / "twelve"
    folder.mkdir()
    rows = []
    for number in range(records):
        generator = np.random.default_rng(number)
        one = simulate_ecg(
            Rhythm(60.0 + number % 40), BeatShape(), Noise(loss_rate=0.0, motion_rate=0.2),
            duration_s=10.0, sampling_rate=RATE, generator=generator,
        )  # fmt: skip
        scale = generator.uniform(0.3, 1.5, (12, 1))
        signal = scale * one + generator.normal(0.0, 0.01, (12, one.size))
        recording = Recording(signal.astype(np.float32), RATE, STANDARD_12_LEADS)
        write_wfdb(recording, folder, f"t{number}")
        rows.append(ManifestRow(f"t{number}", f"t{number}.hea", patient=f"p{number}"))
    manifest = Manifest(tuple(rows), folder)
    built, read, standardized = [], [], []
    for run in range(runs + 1):
        shutil.rmtree(work / "store", ignore_errors=True)
        start = time.process_time()
        build_corpus(manifest, work / "store")
        spent = time.process_time() - start
        corpus = open_corpus(work / "store")
        positions = np.arange(len(corpus))
        corpus.read(positions)
        start = time.process_time()
        signal = corpus.read(positions)
        opened = time.process_time() - start
        start = time.process_time()
        standardize_segments(signal[:40], RATE, "ecgfounder-finetune@1")
        filtered = time.process_time() - start
        if run:
            built.append(spent / len(corpus))
            read.append(opened / len(corpus))
            standardized.append(filtered / 40)
    stored = sum(path.stat().st_size for path in (work / "store").rglob("*") if path.is_file())
    print(f"\n## Twelve leads of 10 s: {records} records in {records} files, {runs} runs\n")
    print("| step | ms of CPU per record (median) |\n| --- | --- |")
    for name, values in (
        ("corpus build", built), ("read (mV), warm", read), ("standardize", standardized),
    ):  # fmt: skip
        print(f"| {name} | {1e3 * np.median(values):.2f} |")
    print(f"\n{stored / records / 1000:.1f} kB per record in the store")


def scaling_table(manifest: Manifest, work: Path, runs: int) -> None:
    """One process against two, both started before the clock: wall clock, and CPU of the tasks."""
    rows: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    segments = 0
    options = BuildOptions(task_bytes=8 * 2**20)
    with ProcessPoolExecutor(2, get_context("spawn"), start_worker, (os.getpid(),)) as pool:
        for turn in range(runs + 1):
            for workers, found in rows.items():
                target = work / "scaling"
                shutil.rmtree(target, ignore_errors=True)
                spent: list[float] = []
                wall = time.perf_counter()
                document = build_corpus(
                    manifest, target, options=options, engine=_warm(pool, workers, spent)
                ).document
                wall = time.perf_counter() - wall
                segments = document["segments"]
                if turn:  # the first turn pays for imports
                    found.append((wall, sum(spent)))
    print(f"\n## One and two processes: {segments} segments, {runs} alternating builds\n")
    print("| processes | seconds (median) | CPU seconds of the tasks |\n| --- | --- | --- |")
    middle = {workers: np.median(np.array(found), axis=0) for workers, found in rows.items()}
    for workers, (wall, cpu) in middle.items():
        print(f"| {workers} | {wall:.2f} | {cpu:.2f} |")
    print(
        f"\ntwo processes: × {middle[1][0] / middle[2][0]:.2f} faster, "
        f"× {middle[2][1] / middle[1][1]:.2f} CPU; load average {os.getloadavg()[0]:.1f}"
    )


def _warm(pool: ProcessPoolExecutor, workers: int, spent: list[float]) -> Engine:
    """An engine of some workers of a running pool, which notes the CPU time of the tasks."""

    def run(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        waiting, left = set(), list(tasks)[::-1]
        while waiting or left:
            while left and len(waiting) < workers:
                waiting.add(pool.submit(_timed, function, left.pop()))
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                result, seconds = future.result()
                spent.append(seconds)
                yield result

    return run


def _timed(function: Callable[[Any], Any], task: Any) -> tuple[Any, float]:
    start = time.process_time()
    result = function(task)
    return result, time.process_time() - start


def memory_table(folder: Path, counts: tuple[int, ...] = (4, 16, 64)) -> None:
    """Peak memory of a build in a child process, by the number of records of 10 minutes."""
    import resource

    print("\n## Peak memory of a build\n\n| records | segments | peak, MB |\n| --- | --- | --- |")
    for count in counts:
        place = folder / f"memory{count}"
        place.mkdir()
        manifest = make_recordings(place, count, 10.0)
        receive, send = os.pipe()
        if os.fork() == 0:
            segments = build_corpus(manifest, place / "corpus").document["segments"]
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            os.write(send, f"| {count} | {segments} | {peak:.0f} |".encode())
            os._exit(0)
        os.wait()
        print(os.read(receive, 200).decode())


def size_table(root: Path) -> None:
    """What lossless codecs would save, and what they would cost."""
    import lzma
    import zlib

    shard = np.load(next((root / "shards").rglob("*.npy")), mmap_mode="r")[:256, 0]
    delta = np.diff(shard, axis=1, prepend=np.zeros((len(shard), 1), np.int16)).astype(np.int16)
    planes = delta.view(np.uint8).reshape(len(delta), -1, 2).transpose(0, 2, 1)
    raw = shard.nbytes
    print("\n## Size of 256 segments (simulated noise sets the ratio)\n")
    print(
        "| form | bytes per segment | ratio | ms per segment to write |\n| --- | --- | --- | --- |"
    )
    for name, pack in (
        ("int16 as stored", lambda: np.ascontiguousarray(shard).tobytes()),
        ("delta, byte planes, zlib 1", lambda: zlib.compress(planes.tobytes(), 1)),
        ("delta, byte planes, lzma", lambda: lzma.compress(planes.tobytes(), preset=1)),
    ):
        start = time.process_time()
        size = len(pack())
        spent = time.process_time() - start
        print(f"| {name} | {size / 256:.0f} | {raw / size:.2f} | {1e3 * spent / 256:.3f} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=40.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--batches", type=int, default=15)
    parser.add_argument("--folder", type=Path)
    parser.add_argument(
        "--only", choices=("build", "read", "cache", "twelve", "scaling", "size", "memory")
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        work = Path(place)
        (work / "wfdb").mkdir()
        print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
        only = given.only
        if only in (None, "memory"):
            memory_table(work)  # first: a child inherits the memory of this process
        manifest = make_recordings(work / "wfdb", given.records, given.minutes)
        if only in (None, "build"):
            build_table(manifest, work, given.runs)
        else:
            build_corpus(manifest, work / "build")
        corpus = open_corpus(work / "build")
        if only in (None, "read"):
            read_table(corpus, work / "build", given.batches)
        if only in (None, "cache"):
            cache_table(corpus, given.batches)
        if only in (None, "twelve"):
            twelve_lead_table(work, 400, given.runs)
        if only in (None, "scaling"):
            scaling_table(manifest, work, given.runs)
        if only in (None, "size"):
            size_table(work / "build")


if __name__ == "__main__":
    main()
