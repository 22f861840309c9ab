// A long recording: what was counted, the rate over time, the hours, and every event.

import { Superseded, decodeSamples } from "./api.js";
import { addRow, button, by, clock, table } from "./dom.js";
import { Events } from "./events.js";
import { drawTimeline } from "./timeline.js";

const LONG_S = 62; // up to a minute (and its tolerance) there is one answer for the whole

const number = (value, digits = 0) => (value === null || value === undefined ? "–" : value.toFixed(digits));

function burdenWords(found, total, name) {
  if (!found || found.percent === null) return "";
  const interval = found.low === null ? "" : ` (${number(found.low, 2)}–${number(found.high, 2)})`;
  return `${name} ${found.count} of ${total}, ${number(found.percent, 2)} %${interval}`;
}

function summary(report) {
  const { burdens, longest_rr: longest, shortest_rr: shortest } = report;
  const af = report.af_burden === null ? "" : `atrial fibrillation ${number(100 * report.af_burden, 1)} % of the time`;
  const sdnn = report.hrv.sdnn_ms?.value;
  return [
    `${report.beats} beats in ${clock(report.readable_s)} of ${clock(report.duration_s)} that can be read`,
    burdenWords(burdens.V, report.beats, "ventricular"), burdenWords(burdens.S, report.beats, "supraventricular"), af,
    longest ? `longest RR ${number(longest.rr_s, 2)} s at ${clock(longest.end_s)}` : "",
    shortest ? `shortest ${number(shortest.rr_s, 2)} s at ${clock(shortest.end_s)}` : "",
    sdnn ? `SDNN ${number(sdnn)} ms` : "",
  ].filter(Boolean).join(" · ");
}

// Time of day where the recording says when it began, else time since its beginning.
function hourName(hour, startTime) {
  if (!startTime) return `${clock(hour.start_s).slice(0, 5)}–${clock(hour.end_s).slice(0, 5)}`;
  const [h, m] = startTime.slice(11, 16).split(":").map(Number);
  return [hour.start_s, hour.end_s].map((s) => clock((3600 * h + 60 * m + s) % 86400).slice(0, 5)).join("–");
}

function hoursTable(report, startTime, jump) {
  const made = table([[startTime ? "Time of day" : "Time"], ...["Beats", "Rate", "Lowest", "Highest", "V", "S", "V runs", "V pairs", "S runs",
    "Pauses", "Longest RR", "SDNN", "AF"].map((name) => [name, "number"])]);
  for (const hour of report.hours) {
    addRow(made, button(hourName(hour, startTime), () => jump(hour.start_s), "small"), [
      hour.beats, number(hour.rate_mean_bpm), number(hour.rate_lowest_bpm), number(hour.rate_highest_bpm), hour.v, hour.s,
      hour.ventricular_runs, hour.ventricular_couplets, hour.supraventricular_runs, hour.pauses,
      hour.rr_longest_s === null ? "–" : `${number(hour.rr_longest_s, 2)} s`, hour.sdnn_ms === null ? "–" : `${number(hour.sdnn_ms)} ms`,
      hour.af_percent === null ? "–" : `${number(hour.af_percent)} %`,
    ].map((value) => [String(value), "number"]));
  }
  return made;
}

// All events in one list: of the beats, and the stretches in which a rhythm model names something: the
// one that the reader has chosen, else that of the Holter, else the one that answered.
export function allEvents(report, answer, chosen) {
  const named = chosen || !report?.episodes?.length ? answer.episodes ?? [] : report.episodes;
  const episodes = named.map((one) => ({ kind: one.name, start_s: one.start_s, end_s: one.end_s, beats: null, rate_bpm: null }));
  return [...(report?.events ?? []), ...episodes].sort((a, b) => a.start_s - b.start_s || a.kind.localeCompare(b.kind));
}

function beatsOf(report) {
  const { milliseconds, labels } = report.beat_list;
  return milliseconds.map((time, k) => ({
    time_s: time / 1000, label: labels[k], p_s: null, qrs_onset_s: null, qrs_offset_s: null, t_offset_s: null,
  }));
}

export class HolterView {
  constructor(jump) {
    this.jump = jump;
    this.events = new Events(jump);
    this.clear();
  }

  clear() {
    this.report = this.beats = null;
    this.events.clear();
    by("holter").hidden = true;
    by("holter-summary").textContent = "";
    by("hours").replaceChildren();
    by("timeline").width = 0; // empties it
  }

  // ``say`` tells how far it is.
  async open(session, answer, say) {
    const { about } = session;
    if (about.duration_s <= LONG_S) return;
    by("holter").hidden = false;
    by("holter-summary").textContent = "Counting beats and events …";
    let report = null;
    try {
      report = await session.ask("holter", { lead: session.lead }, (share) => say(`Counting beats … ${Math.round(100 * share)} %`));
      if (report.refused) throw new Error(report.refused.message);
    } catch (error) {
      if (error instanceof Superseded) throw error;
      report = null;
      by("holter-summary").textContent = `Beats and events were not counted: ${error.message}.`;
    }
    if (report) this.show(report, about);
    const events = allEvents(report, answer, session.model);
    if (report) this.report = { ...report, events };
    const strip = async (start, seconds) =>
      decodeSamples(await session.post("read", { samples: true, start_s: start, duration_s: seconds }));
    this.events.show(events, { strip, beatsOf: (from, to) => (this.beats ?? []).filter((b) => b.time_s > from && b.time_s < to) });
  }

  show(report, about) {
    // What was measured beat by beat has marks; of a day there are times and classes.
    this.report = report;
    this.beats = beatsOf(report);
    by("holter-summary").textContent = `${summary(report)}.`;
    by("hours").replaceChildren(hoursTable(report, about.start_time, this.jump));
    by("timeline").setAttribute("aria-valuemax", Math.round(report.duration_s));
  }

  draw(view) {
    if (!this.report) return;
    const canvas = by("timeline");
    canvas.setAttribute("aria-valuenow", Math.round(view.start));
    canvas.setAttribute("aria-valuetext", clock(view.start));
    drawTimeline(canvas, this.report, view);
  }
}
