// Kept recordings, the newest first, and what readers have decided about them.

import { Superseded, Turn, getJson } from "./api.js";
import { addRow, by, element, table } from "./dom.js";
import { localTime, person, recordedAt, whoIs } from "./header.js";

const PAGE = 50;
export const DECISIONS = { confirmed: "confirmed", edited: "edited", rejected: "rejected" };

// The beginning of a day here, as the service wants it: with its zone.
function dayStart(text, days = 0) {
  if (!text) return "";
  const day = new Date(`${text}T00:00:00`);
  day.setDate(day.getDate() + days);
  return day.toISOString();
}

// A name that is a UID of 64 characters, by its ends; the tooltip has all of it.
function shortName(name) {
  return name.length > 32 ? `${name.slice(0, 12)}…${name.slice(-16)}` : name;
}

function answerWords(answer) {
  if (!answer) return "not interpreted yet";
  if (answer.refused) return "no usable ECG";
  const names = answer.words ?? [];
  const words = names.slice(0, 4).join(", ");
  return words ? `${words}${names.length > 4 ? ` and ${names.length - 4} more` : ""}` : "nothing present";
}

export class Worklist {
  constructor() {
    this.turn = null;
    this.cursor = null;
    by("worklist-form").addEventListener("submit", (event) => { event.preventDefault(); this.again(); });
    by("worklist-review").addEventListener("change", () => this.again());
    by("worklist-more").addEventListener("click", () => this.load().catch((error) => this.failed(error)));
  }

  leave() {
    this.turn?.end();
    this.turn = null;
    by("worklist-table").replaceChildren();
    by("worklist-status").textContent = "";
    by("worklist-more").hidden = true;
  }

  again() { this.open().catch((error) => this.failed(error)); }

  failed(error) {
    if (!(error instanceof Superseded)) by("worklist-status").textContent = [error.message, error.remedy].filter(Boolean).join(". ");
  }

  async open() {
    this.leave();
    this.turn = new Turn();
    this.cursor = null;
    this.table = table([["Patient"], ["Recorded"], ["Device"], ["Machine's statements, unconfirmed"], ["Kept"], ["Review"]]);
    by("worklist-table").replaceChildren(this.table);
    try {
      await this.load();
    } catch (error) {
      this.failed(error);
    }
  }

  async load() {
    const { turn } = this;
    const document = await getJson("/v1/recordings", {
      turn,
      query: {
        review: by("worklist-review").value, q: by("worklist-q").value.trim(), limit: PAGE, cursor: this.cursor,
        after: dayStart(by("worklist-after").value), before: dayStart(by("worklist-before").value, 1),
      },
    });
    for (const entry of document.recordings) this.add(entry);
    this.cursor = document.cursor;
    by("worklist-more").hidden = !this.cursor;
    const count = this.table.tBodies[0].rows.length;
    by("worklist-status").textContent = count ? `${count} recording${count > 1 ? "s" : ""}${this.cursor ? ", more below" : ""}`
      : "No recording is here. “Keep for review” beside an open ECG puts it here.";
  }

  add(entry) {
    const subject = entry.subject ?? {};
    const link = element("a", whoIs(subject) || "No identifier");
    link.href = `#recording/${entry.recording}`;
    const file = element("span", shortName(entry.file ?? entry.recording), "means");
    file.title = entry.file ?? entry.recording;
    const unmatched = entry.unmatched ? [element("span", `No order is matched: ${entry.unmatched}`, "means")] : [];
    addRow(this.table, [link, element("span", person(subject), "means"), file, ...unmatched], [
      [recordedAt(entry.taken) || "not stated"],
      [[entry.device?.manufacturer, entry.device?.model].filter(Boolean).join(" ") || "not stated"],
      [entry.state === "damaged" ? "the files are damaged" : answerWords(entry.answer)],
      [localTime(entry.kept)],
      [element("span", entry.review ? DECISIONS[entry.review] : "open", `badge ${entry.review ?? ""}`)],
    ]);
  }
}

// Other kept recordings of the same person, to be compared with; none where the file names nobody.
export async function othersOf(session) {
  const { identifier } = session.about.subject;
  if (!identifier) return [];
  const document = await getJson("/v1/recordings", { query: { patient: identifier, limit: 20 }, turn: session.turn });
  return document.recordings.filter((entry) => entry.recording !== session.kept);
}
