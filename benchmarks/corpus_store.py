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
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy.signal as ss

from ecgfoundry.corpus import Corpus, build_corpus, open_corpus
from ecgfoundry.formats.wfdb_writer import write_wfdb
from ecgfoundry.manifest import Manifest, ManifestRow
from ecgfoundry.preprocessing import standardize_window
from ecgfoundry.recording import Recording
from ecgfoundry.synthesis.ecg import BeatShape, Noise, Rhythm, simulate_ecg

BATCH = 256
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
        count = 60
        start = time.process_time()
        for position in range(count):  # what the reference has done to a segment by then
            standardize_window(corpus.read([position])[0], RATE, "ecgfounder-finetune@1")
        standardized = (time.process_time() - start) / count
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as place:
        work = Path(place)
        (work / "wfdb").mkdir()
        memory_table(work)  # first: a child inherits the memory of this process
        print(f"{platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}")
        manifest = make_recordings(work / "wfdb", given.records, given.minutes)
        build_table(manifest, work, given.runs)
        read_table(open_corpus(work / "build"), work / "build", given.batches)
        size_table(work / "build")


if __name__ == "__main__":
    main()
