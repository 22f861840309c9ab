"""``ecgfoundry read``: what is in a file, for people, for programs, and as a picture."""

from __future__ import annotations

import csv as csv_module
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from ecgfoundry.cli.reading_options import ReadingOptions
from ecgfoundry.cli.saying import note, print_json, progress
from ecgfoundry.cli.vocabulary import Csv, Json

if TYPE_CHECKING:
    from ecgfoundry.errors import EcgFoundryError
    from ecgfoundry.formats.files import EcgFile
    from ecgfoundry.recording import Recording

LONG_S = 600.0
"""Beyond ten minutes only the beginning is read: enough for names, quality and a picture."""


@Parameter(name="*")
@dataclass(frozen=True)
class PictureOptions:
    """The picture of a recording.

    Parameters
    ----------
    plot
        Also draw the recording on ECG paper, as .svg or .html; .png or .pdf need
        the extra 'plot'.
    layout
        3x4 with a rhythm strip, 6x2, 12x1, 1x (a row per recorded lead), or auto.
    start
        Where the picture begins, in seconds.
    duration
        How much it shows, in seconds; 10 if not stated.
    speed
        Paper speed of the picture in mm/s.
    gain
        Amplitude of the picture in mm/mV.
    """

    plot: Path | None = None
    layout: Literal["auto", "3x4", "6x2", "12x1", "1x"] = "auto"
    start: float = 0.0
    duration: float | None = None
    speed: float = 25.0
    gain: float = 10.0


def read(
    *files: str,
    json: Json = False,
    csv: Csv = False,
    no_subject: Annotated[bool, Parameter(name="--no-subject", negative="")] = False,
    picture: PictureOptions | None = None,
    reading: ReadingOptions | None = None,
) -> int:
    """Say what ECG files hold: device, leads, filters, measurements, quality; or draw one.

    Parameters
    ----------
    files
        Files, folders, patterns, ZIP archives, members as archive.zip::folder/record.hea, or
        sample:12-lead and sample:single-lead.
    json
        One JSON object per recording (JSON Lines when several), always with the same keys.
    csv
        The inventory: one row per recording, also for those that cannot be read, and one for each
        file of a folder that is none.
    no_subject
        Nothing that may tell who it is: no file name, identifier, age, sex, start time, free text,
        serial number or institution; neither in the text nor in the picture.
    """
    from ecgfoundry.errors import EcgFoundryError
    from ecgfoundry.formats.files import open_file
    from ecgfoundry.inference.files import find_recordings
    from ecgfoundry.reports.recording_summary import recording_summary
    from ecgfoundry.samples import named_file

    if not files:
        print("ecgfoundry: no file was given; see: ecgfoundry read --help", file=sys.stderr)
        return 2
    if json and csv:
        print("ecgfoundry: give --json or --csv, not both", file=sys.stderr)
        return 2
    picture = picture or PictureOptions()
    options = (reading or ReadingOptions()).to_read()
    one = options.index is not None and len(files) == 1
    paths, others = ([named_file(files[0])], []) if one else find_recordings(files)
    if picture.plot is not None and len(paths) != 1:
        print("ecgfoundry: --plot draws one recording; name one file", file=sys.stderr)
        return 2
    inventory = _Inventory() if csv else None
    failed = 0
    for number, path in enumerate(_shown(paths), 1):
        name = f"recording {number}" if no_subject else str(path)
        try:
            with open_file(path, options) as file:
                summary = recording_summary(
                    _beginning(file), file.info, name=name, subject=not no_subject
                )
                if inventory is not None:
                    inventory.add(summary)
                else:
                    print_json(summary) if json else _print_text(summary)
                if picture.plot is not None:
                    _draw(file, picture.plot, picture, no_subject=no_subject)
        except EcgFoundryError as error:
            failed += 1
            if inventory is not None:
                inventory.add_failure(name, "refused", error.code)
            _print_failure(error, name, no_subject=no_subject, json=json)
    if inventory is not None:
        for number, path in enumerate(others, len(paths) + 1):
            name = f"file {number}" if no_subject else str(path)
            inventory.add_failure(name, "not recognised", "")
    if inventory is not None or others:
        note(f"{len(paths) - failed} read, {failed} refused, {len(others)} not recognised")
    return 1 if failed else 0


def _shown(paths: list[Path]) -> Iterator[Path]:
    with progress("Reading", len(paths)) as bar:
        for done, path in enumerate(paths):
            bar.update(done)
            yield path


class _Inventory:
    """Rows of CSV as they come."""

    COLUMNS = (
        "file", "status", "error", "format", "leads", "sampling_rate_hz", "duration_s",
        "start_time", "age", "sex", "device", "filters", "quality", "warnings",
    )  # fmt: skip

    def __init__(self) -> None:
        self._writer = csv_module.writer(sys.stdout, lineterminator="\n")
        self._writer.writerow(self.COLUMNS)

    def add(self, summary: Mapping[str, Any]) -> None:
        person, quality = summary["subject"] or {}, summary["quality"]
        notices = [quality["refusal"]] if quality["refusal"] else quality["warnings"]
        self._write({
            "file": summary["file"],
            "status": "read",
            "format": summary["format"],
            "leads": " ".join(summary["leads"]),
            "sampling_rate_hz": f"{summary['sampling_rate']:g}",
            "duration_s": f"{summary['duration_s']:g}",
            "start_time": summary["start_time"],
            "age": None if person.get("age") is None else f"{person['age']:g}",
            "sex": person.get("sex"),
            "device": " ".join(
                str(summary["device"][key])
                for key in ("manufacturer", "model")
                if summary["device"].get(key)
            ),
            "filters": _joined(summary["filters"]),
            "quality": quality["verdict"],
            "warnings": " ".join(notice["code"] for notice in notices),
        })  # fmt: skip

    def add_failure(self, name: str, status: str, code: str) -> None:
        self._write({"file": name, "status": status, "error": code})

    def _write(self, row: Mapping[str, Any]) -> None:
        from ecgfoundry.reports.wording import printable

        cells = (row.get(name) for name in self.COLUMNS)
        self._writer.writerow("" if cell is None else printable(cell) for cell in cells)


def _beginning(file: EcgFile) -> Recording:
    """Read a recording, or the beginning of a long one."""
    from ecgfoundry.reports.recording_summary import QUALITY_SECONDS

    return file.read_seconds(0.0, QUALITY_SECONDS if file.duration_s > LONG_S else None)


def _draw(file: EcgFile, target: Path, picture: PictureOptions, *, no_subject: bool) -> None:
    from dataclasses import replace

    from ecgfoundry.formats.common.filters import is_filter_key
    from ecgfoundry.reports.paper.files import save_picture
    from ecgfoundry.reports.paper.layout import MAXIMUM_SECONDS
    from ecgfoundry.reports.recording_summary import KEPT_DEVICE

    part = file.read_seconds(picture.start, picture.duration or MAXIMUM_SECONDS)
    title = None
    if no_subject:
        device = {k: v for k, v in part.device.items() if k in KEPT_DEVICE or is_filter_key(k)}
        part = replace(part.without_subject(), source=None, device=device, annotations=())
        title = ""
    save_picture(
        part,
        target,
        title=title,
        duration_s=picture.duration,
        origin_s=picture.start,
        whole_duration_s=file.duration_s,
        layout=picture.layout,
        speed_mm_s=picture.speed,
        gain_mm_mv=picture.gain,
    )


def _print_failure(error: EcgFoundryError, name: str, *, no_subject: bool, json: bool) -> None:
    """Print why a recording cannot be read; without its name and its words where they may tell."""
    from ecgfoundry.reports.wording import printable

    message = f"{name}: {error.code}" if no_subject else str(error)
    if json:
        remedy = None if no_subject else error.remedy
        details = {"code": error.code, "message": message, "remedy": remedy}
        print_json({"file": name, "error": details})
    print(f"ecgfoundry: {printable(message)}", file=sys.stderr)


def _print_text(summary: Mapping[str, Any]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ecgfoundry.reports.wording import printable
    from ecgfoundry.samples import shown_name

    console = Console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _lines(summary):
        table.add_row(label, Text(printable(value)))
    console.print(Text(printable(shown_name(summary["file"])), style="bold"))
    console.print(table)
    figures = Table("lead", "peak to peak", "missing", "flat", "saturated", "noise", "mains",
                    "wander", "SNR", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))  # fmt: skip
    for lead, quality in summary["quality"]["leads"].items():
        amplitude = quality["amplitude_mv"]
        shares = (
            quality[f"{key}_share"]
            for key in ("missing", "flat", "saturated", "noise", "mains", "wander")
        )
        figures.add_row(
            Text(printable(lead)),
            "–" if amplitude is None else f"{amplitude:.2f} mV",
            *("–" if share is None else f"{100 * share:.0f} %" for share in shares),
            "–" if quality["snr_db"] is None else f"{quality['snr_db']:.0f} dB",
        )
    console.print(figures)


def _lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the rows of the description, those without content left out."""
    from ecgfoundry.reports.wording import duration_text

    quality, marks, person = summary["quality"], summary["annotations"], summary["subject"] or {}
    notices = [quality["refusal"]] if quality["refusal"] else quality["warnings"]
    channels = [
        f"{channel['name']} ({channel['kind']}, {channel['unit'] or 'no unit'}, "
        f"{channel['sampling_rate']:g} Hz)"
        for channel in summary["other_channels"]
    ]
    several = f", 1 of {summary['recordings']} recordings" if summary["recordings"] > 1 else ""
    seconds = f"of the first {quality['seconds']:g} s" if marks["of_the_first_s"] else ""
    rows = [
        ("format", f"{summary['format']}{several}"),
        ("device", _joined(summary["device"])),
        ("leads", f"{len(summary['leads'])}: {' '.join(summary['leads'])} ({summary['unit']})"),
        ("rate", f"{summary['sampling_rate']:g} Hz"),
        ("duration", f"{duration_text(summary['duration_s'])}, {summary['samples']} samples"),
        ("start", summary["start_time"] or ""),
        ("subject", _joined({key: value for key, value in person.items() if value is not None})),
        ("device filters", _joined(summary["filters"]) or "not stated"),
        ("mains", f"{summary['mains_frequency']:g} Hz" if summary["mains_frequency"] else ""),
        ("measured by device", _joined(summary["measurements"])),
        ("device statements", "; ".join(summary["statements"])),
        ("further fields", _joined(summary["header"])),
        ("annotations", f"{marks['count']} {_joined(marks['kinds'])} {seconds}".strip()),
        ("other channels", f"{len(channels)}: {', '.join(channels[:6])}" if channels else ""),
        ("quality", "; ".join([quality["verdict"], *(notice["message"] for notice in notices)])),
    ]
    return [(label, text) for label, text in rows if text]


def _joined(values: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        words = f"{value:g}" if isinstance(value, float) else str(value)
        return words if len(words) <= 200 else f"{words[:199]}…"

    return ", ".join(f"{key} {text(value)}" for key, value in values.items())
