// This ECG and an earlier one of the same person: what changed, and the median beats over each other.
//
// Nothing of the earlier recording is shown before it is clear that both are of one person.

import { Problem, Superseded, Turn, decodeSamples, getJson } from "./api.js";
import { addRow, button, by, element, quantity, table } from "./dom.js";
import { differentPeople, facts, recordedAt } from "./header.js";
import { planStrips, rhythmLeadOf } from "./layouts.js";
import { drawMedians } from "./medians.js";
import { drawPaper } from "./paper.js";
import { hold, letGo } from "./session.js";

function changesTable(changes) {
  const made = table([["Measurement"], ["Earlier", "number"], ["Now", "number"], ["Change", "number"], ["Repeat variability", "number"]]);
  for (const change of changes) {
    const head = change.lead ? `${change.words} in ${change.lead}` : change.words;
    const row = addRow(made, head[0].toUpperCase() + head.slice(1), [
      [quantity(change.earlier, change.unit), "number"], [quantity(change.later, change.unit), "number"],
      [quantity(change.difference, change.unit, true), "number"], [`±${quantity(change.limit, change.unit)}`, "number"],
    ]);
    if (change.beyond) row.className = "present";
  }
  return made;
}

function list(words, items) {
  const line = element("p");
  line.append(element("strong", `${words}: `), items.join("; "));
  return line;
}

// What a reader wants first: statements of the comparison, what came and what went.
function summary(reading) {
  const lines = reading.statements.map((one) => {
    const line = element("p", undefined, "serial");
    const words = one.words.endsWith(" in") ? `${one.words} ${one.leads.join(", ")}` : one.words;
    line.append(element("strong", `${words[0].toUpperCase()}${words.slice(1)}: `), one.because.join(", "));
    return line;
  });
  for (const remark of [...reading.remarks].reverse()) {
    const line = element("p");
    line.append(element("strong", remark));
    lines.unshift(line);
  }
  if (reading.appeared.length) lines.push(list("New", reading.appeared));
  if (reading.disappeared.length) lines.push(list("No longer present", reading.disappeared));
  if (reading.left_out) lines.push(element("p", reading.left_out));
  if (!reading.statements.length && !reading.appeared.length && !reading.disappeared.length) lines.push(element("p", "No statement came or went beyond the repeat variability."));
  return lines;
}

export class ComparisonView {
  // ``settings`` gives speed, gain, layout and zoom of the paper.
  constructor(settings) {
    this.settings = settings;
    this.turn = null;
    this.drawn = null;
  }

  clear() {
    this.turn?.end();
    this.turn = this.drawn = null;
    by("comparison").hidden = true;
    for (const id of ["earlier-facts", "earlier-warning"]) by(id).textContent = "";
    for (const id of ["earlier-summary", "earlier-table", "earlier-lead-table"]) by(id).replaceChildren();
    by("earlier-shown").hidden = true;
    for (const id of ["earlier-paper", "earlier-medians"]) by(id).width = 0; // empties it
  }

  // ``earlier``: {files} of this computer, or {kept}.
  async open(session, earlier, samePerson = false) {
    this.clear();
    const turn = this.turn = new Turn(); // of two earlier ECGs, the one chosen last is shown
    by("comparison").hidden = false;
    by("earlier-facts").textContent = "Comparing …";
    let recording = null;
    try {
      recording = earlier.kept ?? await hold(earlier.files, turn);
      if (!recording || !session.recording) {
        throw new Problem({ detail: "The service has no room to hold both recordings", remedy: "Try again later" });
      }
      const query = { recording, samples: true, duration_s: 60, ...session.stated };
      const about = await getJson("/v1/read", { method: "POST", query, turn });
      const warning = differentPeople(session.about, about);
      if (warning && !samePerson) return this.ask(session, earlier, warning);
      const answer = await getJson(`/v1/recordings/${session.recording}/comparison`, {
        query: { earlier: recording, same_person: samePerson || undefined, ...session.stated }, turn,
      });
      by("earlier-warning").textContent = warning;
      this.show(session, about, answer);
    } catch (error) {
      if (!(error instanceof Superseded)) by("earlier-facts").textContent = "";
      if (turn === this.turn) throw error;
    } finally {
      if (!earlier.kept) letGo(recording);
    }
  }

  // Two people, by what the files say: nothing is shown unless the reader says that it is one.
  ask(session, earlier, warning) {
    by("earlier-facts").textContent = "";
    const again = button("It is one person: compare", () => this.retry(session, earlier), "small");
    by("earlier-warning").replaceChildren(`${warning} They are not compared. `, again);
  }

  retry(session, earlier) {
    return this.open(session, earlier, true).catch((error) => this.failed?.(error));
  }

  show(session, about, answer) {
    const { reading, median_beats: beats } = answer;
    by("earlier-facts").textContent = `Earlier: ${[recordedAt(about.start_time), facts(about)].filter(Boolean).join(" · ")}`;
    by("earlier-summary").replaceChildren(...summary(reading));
    by("earlier-table").replaceChildren(changesTable(reading.changes));
    by("earlier-leads").hidden = !reading.lead_changes.length;
    by("earlier-leads").querySelector("summary").textContent = `Changed in single leads: ${reading.lead_changes.length}`;
    by("earlier-lead-table").replaceChildren(changesTable(reading.lead_changes));
    by("earlier-shown").hidden = false;
    const changed = new Set([...reading.lead_changes.map((one) => one.lead), ...reading.statements.flatMap((one) => one.leads)]);
    this.drawn = { about, signal: decodeSamples(about), beats, changed };
    this.draw();
  }

  draw() {
    if (!this.drawn) return;
    const { about, signal, beats, changed } = this.drawn;
    const { speed, gain, layout, zoom } = this.settings();
    if (beats.length) drawMedians(by("earlier-medians"), beats, changed);
    const plan = planStrips({
      layout, leads: about.leads, speed, gain, start: 0, rhythmLead: rhythmLeadOf(about.leads), duration: about.duration_s,
    });
    drawPaper(by("earlier-paper"), plan, { signal, speed, gain, zoom });
  }
}
