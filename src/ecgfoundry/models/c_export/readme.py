"""README.md of a C export."""

from __future__ import annotations

from ecgfoundry.models.bundle import Bundle
from ecgfoundry.models.c_export.network import Network
from ecgfoundry.models.c_export.sizes import Memory, Resampling

__all__ = ["readme"]


def readme(bundle: Bundle, network: Network, resampling: Resampling, memory: Memory) -> str:
    """Return what a receiver has to know: use, memory, arithmetic, limits, licence."""
    recipe = bundle.recipe
    weights = sum(layer.weight.size for member in network.members for layer in member.layers)
    outputs = sum(layer.outputs for member in network.members for layer in member.layers)
    rest = 4 * (network.weight.size + sum(m.attention_weight.size for m in network.members))
    if resampling.method == "polyphase":
        rest += 4 * (20 * max(resampling.up, resampling.down) + 1)
    flash = {"float32": 4 * (weights + outputs) + rest, "int8": weights + 8 * outputs + rest}
    sizes = {
        kind: memory.workspace_bytes(network, recipe.samples, int8=kind == "int8") for kind in flash
    }
    seconds = sorted({10.0, recipe.window_s} if recipe.window_s > 10 else {recipe.window_s})
    arithmetic = ", ".join(
        f"{network.multiply_adds(round(s * recipe.sampling_rate)) / 1e6:.1f} million for {s:g} s"
        for s in seconds
    )
    leads = ", ".join(bundle.input.leads)
    limits = "\n".join(f"- {failure}" for failure in bundle.about.known_failures)
    return f"""# {bundle.name} {bundle.version} as C99

**Not a medical device. For research; findings are unconfirmed.**

{bundle.about.intended_use}

One lead (trained on {leads}) at {resampling.from_hz:g} Hz in millivolts goes in, at most
{memory.input_samples} samples ({recipe.window_s:g} s) at a time; probabilities and a decision
come out. No memory from the heap, nothing beyond the standard headers and `<math.h>`. `float` has
to be IEEE 754 binary32 and `double` binary64, which is checked when it is compiled.

## Check it first

    make check        # both kinds on this machine, on the test vectors
    make qemu         # the same on a Cortex-M4 in QEMU (gcc-arm-none-eabi, qemu-system-arm)

or `cmake -B build && cmake --build build && ctest --test-dir build`.

## Use it

    #include "ecg_model.h"

    static ecg_workspace workspace;
    ecg_answer answer;
    ecg_reset(&workspace);
    ecg_push(&workspace, millivolts, count);      /* as samples come; NaN where one is missing */
    if (ecg_run(&workspace, ECG_RECORD, &answer) == ECG_OK) ...

`example.c` is such a program. Compile all files with `-DECG_INT8` for eight bits, or none of them.
ECG_RECORD is the calibration of a recording that is answered as a whole; for a window out of a
stream take ECG_WINDOW, or ECG_SHORT_WINDOW for one of up to half the model's length. For a
recording of several windows, give the mean of their logits to
`ecg_decide`. `ecg_run` uses a window up: a stream with overlapping windows keeps its own samples.

| file | what it is |
| --- | --- |
| ecg_model.h | the interface |
| ecg_quality.c | the gate: refuses what is missing, too short or flat, and warns |
| ecg_standardize.c, recipe.h | the recipe (`preprocessing.json`), step by step |
| ecg_layers_float.c, ecg_layers_int8.c | the convolutions |
| ecg_model.c, ecg_tables.c | the network around them, calibration, decision |
| ecg_weights_float.c, ecg_weights_int8.c | the weights |
| example.c, test_vectors.h, cortex_m/ | the check, here and on a board in QEMU |
| model.json | what the model is, was trained on and fails at |

## What it takes

| | float32 | int8 |
| --- | --- | --- |
| weights and tables, bytes (flash) | {flash["float32"]:,} | {flash["int8"]:,} |
| workspace, bytes (static RAM) | {sizes["float32"]:,} | {sizes["int8"]:,} |

`make size` prints what your compiler makes of the code, and the stack of every function.
Multiply-adds: {arithmetic}. **How long that takes on a real board, and what power it needs, was
not measured.** The filters and sums of the recipe are computed in double, which cores without a
double unit do in software.

## What is the same, and what is not

The float32 kind gives the probabilities of the model to 1e-4. The int8 kind is an approximation:
its ranges were found on recordings, and `test_vectors.h` holds what its integers have to give.
The gate refuses what is missing, too short or flat, and has the warnings that need no spectrum.
**Whether the signal is an ECG is not asked**: noise, movement or a pulse wave that Python refuses
(`no-beats`, `not-an-ecg`) gets an answer here. Noise, mains interference, baseline wander and
pacemaker spikes are not looked for. The mains frequency is taken as unknown.

## Known limits of the model

{limits}

## Licence

Programs: Apache-2.0. Weights: {bundle.about.licence}

The test vectors are excerpts of the sample recordings of ecgfoundry: A01711 of PhysioNet/CinC
Challenge 2017 (ODC-By 1.0) and JS20000 of PhysioNet/CinC Challenge 2021 (CC BY 4.0).
"""
