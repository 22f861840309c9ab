"""``ecgfoundry synth``: simulated data sets, always labelled as such."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from cyclopts import App, Parameter

from ecgfoundry.cli.saying import print_json, progress
from ecgfoundry.cli.vocabulary import JsonResult, Output

app = App(name="synth", help="Simulated data sets with a known truth. No patient behind them.")


@Parameter(name="*")
@dataclass(frozen=True)
class ShareOptions:
    """Shares of patients; the rest of train and test is validation.

    Parameters
    ----------
    train_share
        Of the split train.
    test_share
        Of the split test.
    pulse_share
        Of visits that have Pleth and Resp beside lead II.
    """

    train_share: float = 0.8
    test_share: float = 0.1
    pulse_share: float = 0.05


@app.command(name="mc-med")
def mc_med(
    *,
    visits: int = 100,
    output: Output,
    minutes: float = 5.0,
    seed: int = 0,
    parted: ShareOptions | None = None,
    archives: bool = False,
    oracle_draws: int = 50_000,
    workers: int = 1,
    json: JsonResult = False,
) -> None:
    """Write a synthetic MC-MED: its layout, a physiological ECG, planted laboratory effects.

    Parameters
    ----------
    visits
        How many.
    output
        A new folder.
    minutes
        Of lead II per visit.
    seed
        The same seed gives the same files.
    archives
        Pack the waveforms into zip files, as the real ones are shipped.
    oracle_draws
        Simulated visits behind the best possible AUROC; 0 leaves it out.
    workers
        Processes.
    """
    from ecgfoundry.synthesis.mc_med import SyntheticOptions, write_synthetic_mc_med

    of = parted or ShareOptions()
    shares = (of.train_share, max(0.0, 1.0 - of.train_share - of.test_share), of.test_share)
    options = SyntheticOptions(
        visits=visits,
        minutes=minutes,
        seed=seed,
        shares=shares,
        pulse_share=of.pulse_share,
        archives=archives,
        oracle_draws=oracle_draws,
    )
    with progress("Simulating", visits) as bar:
        data = write_synthetic_mc_med(
            output, options, workers=workers, progress=lambda done, _: bar.update(done)
        )
    if json:
        print_json({"data": data, "visits": visits, "truth": data.parent / "truth"})
        return
    print(f"{data}: {visits} SYNTHETIC visits; the truth is in {data.parent / 'truth'}")


@app.command
def ecgs(
    *,
    people: int = 90,
    output: Output,
    seed: int = 0,
    json: JsonResult = False,
) -> int:
    """Write synthetic twelve-lead ECGs, a third with a long QT interval, and their labels.

    For learning the commands: nothing that is trained on them knows anything about hearts.

    Parameters
    ----------
    people
        How many, one recording of 10 s each.
    output
        A new folder: WFDB records and labels.csv.
    seed
        The same seed gives the same files.
    """
    from ecgfoundry.synthesis.teaching import write_teaching_set

    if people < 1:
        print("ecgfoundry: --people is at least 1", file=sys.stderr)
        return 2
    with progress("Simulating", people) as bar:
        table = write_teaching_set(output, people, seed=seed, progress=bar.update)
    if json:
        print_json({"table": table, "people": people})
        return 0
    print(f"{table}: {people} synthetic recordings. No patient behind them.")
    return 0
