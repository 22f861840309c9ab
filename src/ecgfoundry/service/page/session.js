// One look at one recording. Everything that is asked for it belongs to its turn, and ends with it.

import { Problem, Turn, call, getByJob, getJson } from "./api.js";

const LONG_S = 600; // from here on an answer may take longer than a request: a job tells its progress

export class Session {
  // ``files`` of this computer, or ``kept``: the name of a recording that the service keeps.
  constructor({ files = null, kept = null, stated = {}, lead = "", model = "" }) {
    Object.assign(this, { files, kept, stated, lead, model, recording: kept, content: null, read: null, unstored: false, turn: new Turn(), about: null, subject: null });
  }

  // Whether it is read otherwise than a stored answer was.
  get chosen() { return Boolean(this.model || this.lead || Object.values(this.stated).some(Boolean)); }

  // Nobody asks about it any more. What is held for the page is let go; what is kept stays.
  end() {
    this.turn.end();
    this.release();
  }

  release() {
    if (this.recording && !this.kept) letGo(this.recording);
    this.recording = this.kept;
  }

  // Of a kept one it is remembered which content was read: other files may take its place meanwhile.
  async hold() {
    if (this.kept) {
      const entry = await getJson(`/v1/recordings/${this.kept}`, { turn: this.turn });
      Object.assign(this, { content: entry.sha256, unstored: this.chosen && entry.answer !== null });
    } else this.recording = await hold(this.files, this.turn);
  }

  sent() {
    return this.recording ? { query: { recording: this.recording } } : { files: this.files };
  }

  // Whose it is: of a kept one, with what the request or the worklist has said.
  async whose() {
    if (!this.kept) return this.about.subject;
    const { subject } = await getJson(`/v1/recordings/${this.kept}`, { turn: this.turn });
    const file = this.about.subject;
    const other = subject.identifier && file.identifier && subject.identifier !== file.identifier;
    // The date of birth in the file is that of the number in the file.
    return { ...file, ...(other ? { birth_date: null } : {}), ...subject };
  }

  // What the machine's answer is: of a kept recording the stored one, about which a reader can say something.
  // ``read`` is its identity then; else it is made now, and null.
  async answer(query, told) {
    if (this.kept && !this.chosen) {
      try {
        const response = await call(`/v1/recordings/${this.kept}/interpretation`, { query: { format: "reading" }, turn: this.turn });
        const document = await response.json();
        this.turn.check();
        this.read = response.headers.get("ETag").match(/[0-9a-f]{64}/)[0];
        return document;
      } catch (error) {
        this.turn.check();
        if (!(error instanceof Problem) || error.code !== "no-interpretation") throw error;
      }
    }
    return this.ask("diagnose", query, told);
  }

  // Ask something about the recording, with what was stated when it was opened.
  async post(kind, query = {}) {
    const ask = () => {
      const { query: named, files } = this.sent();
      return getJson(`/v1/${kind}`, { method: "POST", query: { ...query, ...this.stated, ...named }, files, turn: this.turn });
    };
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "recording-not-found" || this.kept) throw error;
      await this.hold(); // it was not asked about for a while
      return ask();
    }
  }

  // The same, by way of a job where it may take long; ``told`` is called with the share that is done.
  async ask(kind, query, told) {
    if (this.about.duration_s < LONG_S) return this.post(kind, query);
    const { query: named, files } = this.sent();
    const { format, ...rest } = query; // a job has a kind for it
    try {
      return await getByJob(format ?? kind, { query: { ...rest, ...this.stated, ...named }, files, progress: told, turn: this.turn });
    } catch (error) {
      if (!(error instanceof Problem) || !["role", "recording-not-found"].includes(error.code)) throw error;
      return this.post(kind, query); // a token that may only read starts no jobs
    }
  }
}

// Send files once and get a name for them; null where the service has no room, and they are sent
// again with every question.
export async function hold(files, turn) {
  try {
    return (await getJson("/v1/uploads", { method: "POST", files, turn })).recording;
  } catch (error) {
    if (error instanceof Problem && ["limit", "disk-full"].includes(error.code)) return null;
    throw error;
  }
}

export function letGo(recording) {
  if (recording) call(`/v1/recordings/${recording}`, { method: "DELETE", keepalive: true }).catch(() => {});
}
