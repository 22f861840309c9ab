// Calls of the service. Files never leave for anywhere else.

let token = sessionStorage.getItem("ecgfoundry-token") || "";

export class Problem extends Error {
  constructor(body) {
    super(body.detail || "The service did not answer");
    this.remedy = body.remedy || "";
    this.code = body.code || "unknown";
  }
}

// What was asked is not wanted any more: another recording was opened meanwhile.
export class Superseded extends Error {}

let asking = null; // one dialog, however many calls wait for the token

function askForToken() {
  if (asking) return asking;
  const dialog = document.getElementById("token-dialog");
  asking = new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      token = document.getElementById("token").value.trim();
      sessionStorage.setItem("ecgfoundry-token", token);
      asking = null;
      resolve();
    }, { once: true });
    dialog.showModal();
  });
  return asking;
}

export function currentToken() {
  return token;
}

// ``turn``: a Turn; an answer that comes after its end is never given to anybody.
export async function call(path, { method = "GET", query = {}, files = null, json = null, turn = null, keepalive = false } = {}) {
  const address = new URL(path, location.origin);
  for (const [key, value] of Object.entries(query)) {
    if (value !== "" && value !== null && value !== undefined) address.searchParams.set(key, value);
  }
  const options = { method, keepalive, headers: {}, signal: turn ? turn.signal : undefined };
  if (token) options.headers.Authorization = `Bearer ${token}`;
  if (files) {
    options.body = new FormData();
    for (const file of files) options.body.append("file", file, file.name);
  }
  if (json) {
    options.body = JSON.stringify(json);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    turn?.check();
    throw new Problem({ detail: "The service cannot be reached", remedy: "Is it running?" });
  }
  turn?.check();
  if (response.status === 401) {
    await askForToken();
    turn?.check();
    return call(path, { method, query, files, json, turn, keepalive });
  }
  if (!response.ok) {
    let body = {};
    try { body = await response.json(); } catch { /* no problem details */ }
    turn?.check();
    throw new Problem(body);
  }
  return response;
}

export async function getJson(path, options = {}) {
  const response = await call(path, options);
  try {
    const document = await response.json();
    options.turn?.check();
    return document;
  } catch (error) {
    options.turn?.check(); // the body was cut off because the turn has ended
    throw error;
  }
}

export function postJson(path, json, turn) {
  return getJson(path, { method: "POST", json, turn });
}

// One look at one recording: everything that is asked for it ends when the next one begins.
export class Turn {
  constructor() {
    this.controller = new AbortController();
    this.signal = this.controller.signal;
  }

  end() { this.controller.abort(); }

  check() { if (this.signal.aborted) throw new Superseded(); }
}

// Wait until a job has ended.
export async function ended(job, turn, told = () => {}) {
  const address = `/v1/jobs/${job}`;
  let state = await getJson(address, { turn });
  while (state.state !== "finished") {
    await new Promise((resolve) => setTimeout(resolve, 400));
    state = await getJson(address, { turn });
    told(state.progress);
  }
  return state;
}

// The same by way of a job, for long recordings: ``progress`` is called with the share that is done.
export async function getByJob(kind, { query = {}, files, progress, turn }) {
  const { job: name } = await getJson("/v1/jobs", { method: "POST", query: { ...query, kind }, files, turn });
  const address = `/v1/jobs/${name}`;
  try {
    const job = await ended(name, turn, progress);
    const text = await (await call(`${address}/results`, { turn })).text();
    turn.check();
    const answer = JSON.parse(text.split("\n")[0]);
    if (job.failed) throw new Problem({ detail: answer.refused.message, code: answer.refused.code });
    return answer;
  } finally {
    call(address, { method: "DELETE" }).catch(() => {}); // also when nobody waits for it any more
  }
}

// Samples as they were recorded: {leads, rate, start, count, data: [Float32Array per lead]}; NaN missing.
export function decodeSamples(document) {
  const part = document.signal;
  const raw = Uint8Array.from(atob(part.data), (c) => c.charCodeAt(0));
  const view = new DataView(raw.buffer);
  const data = part.leads.map((_, row) => {
    const values = new Float32Array(part.samples);
    for (let k = 0; k < part.samples; k++) {
      const stored = view.getInt16(2 * (row * part.samples + k), true);
      values[k] = stored === -32768 ? NaN : stored * part.millivolts_per_unit;
    }
    return values;
  });
  return { leads: part.leads, rate: document.sampling_rate, start: part.start_s, count: part.samples, data };
}

// Frames of a live stream: see docs/streaming.md.
export function decodeFrame(buffer) {
  const view = new DataView(buffer);
  const kind = view.getUint8(5), leads = view.getUint16(6, true), count = view.getUint32(8, true);
  const start = Number(view.getBigInt64(16, true));
  const data = [];
  for (let row = 0; row < leads; row++) {
    const values = new Float32Array(count);
    for (let k = 0; k < count; k++) {
      const at = row * count + k;
      values[k] = kind === 1 ? view.getFloat32(32 + 4 * at, true) : view.getInt16(32 + 2 * at, true);
    }
    data.push(values);
  }
  return { start, count, data };
}
