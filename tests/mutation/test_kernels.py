"""Mutants of C sources."""

from __future__ import annotations

from pathlib import Path

from tests.mutation.kernels import find_kernel_mutants

SOURCE = """/* 2 of 3, x < y */
#include "quality.h"
#if WIDTH > 4
#define BINS 2048
#endif
#define SPIKES(NAME, TYPE)                  \\
    static int NAME(TYPE x) {               \\
        return x < (TYPE)0.2;               \\
    }

static double share(const double *x, int64_t count) {
    const double *end = x + count; // 5
    for (int i = 0; i < LANES; i++) sum += x[i];
    return isfinite(sum) && count > 1 ? sum->of << 3 : 1e-9;
}
"""


def test_what_is_changed_in_c() -> None:
    found = find_kernel_mutants(Path("a.c"), "native/a.c", SOURCE)
    assert [(m.line, m.key.function, m.change().partition(" -> ")[2]) for m in found] == [
        (4, "", "#define BINS 2049"),
        (4, "", "#define BINS 2047"),
        (8, "SPIKES", "return x <= (TYPE)0.2;               \\"),
        (8, "SPIKES", "return x >= (TYPE)0.2;               \\"),
        (8, "SPIKES", "return x < (TYPE)0.25;               \\"),
        (8, "SPIKES", "return x < (TYPE)0.16;               \\"),
        (12, "share", "const double *end = x - count; // 5"),
        (13, "share", "for (int i = 1; i < LANES; i++) sum += x[i];"),
        (13, "share", "for (int i = -1; i < LANES; i++) sum += x[i];"),
        (13, "share", "for (int i = 0; i <= LANES; i++) sum += x[i];"),
        (13, "share", "for (int i = 0; i >= LANES; i++) sum += x[i];"),
        (13, "share", "for (int i = 0; i < LANES; i++) sum -= x[i];"),
        (14, "share", "return isfinite(sum) || count > 1 ? sum->of << 3 : 1e-9;"),
        (14, "share", "return isfinite(sum) && count >= 1 ? sum->of << 3 : 1e-9;"),
        (14, "share", "return isfinite(sum) && count <= 1 ? sum->of << 3 : 1e-9;"),
        (14, "share", "return isfinite(sum) && count > 2 ? sum->of << 3 : 1e-9;"),
        (14, "share", "return isfinite(sum) && count > 0 ? sum->of << 3 : 1e-9;"),
        (14, "share", "return isfinite(sum) && count > 1 ? sum->of << 4 : 1e-9;"),
        (14, "share", "return isfinite(sum) && count > 1 ? sum->of << 2 : 1e-9;"),
        (14, "share", "return isfinite(sum) && count > 1 ? sum->of << 3 : 1.000000001;"),
        (14, "share", "return isfinite(sum) && count > 1 ? sum->of << 3 : -0.999999999;"),
    ]
    assert found[2].key.line == "return x < (TYPE)0.2;"
