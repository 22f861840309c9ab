// Calls of the service. Files never leave for anywhere else.

let token = sessionStorage.getItem("ecgfoundry-token") || "";

export class Problem extends Error {
  constructor(body) {
    super(body.detail || "The service did not answer");
    this.remedy = body.remedy || "";
    this.code = body.code || "unknown";
  }
}

function askForToken() {
  const dialog = document.getElementById("token-dialog");
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      token = document.getElementById("token").value.trim();
      sessionStorage.setItem("ecgfoundry-token", token);
      resolve();
    }, { once: true });
    dialog.showModal();
  });
}

export function currentToken() {
  return token;
}

export async function call(path, { method = "GET", query = {}, files = null } = {}) {
  const address = new URL(path, location.origin);
  for (const [key, value] of Object.entries(query)) {
    if (value !== "" && value !== null && value !== undefined) address.searchParams.set(key, value);
  }
  const options = { method, headers: {} };
  if (token) options.headers.Authorization = `Bearer ${token}`;
  if (files) {
    options.body = new FormData();
    for (const file of files) options.body.append("file", file, file.name);
  }
  let response;
  try {
    response = await fetch(address, options);
  } catch {
    throw new Problem({ detail: "The service cannot be reached", remedy: "Is it running?" });
  }
  if (response.status === 401) {
    await askForToken();
    return call(path, { method, query, files });
  }
  if (!response.ok) {
    let body = {};
    try { body = await response.json(); } catch { /* no problem details */ }
    throw new Problem(body);
  }
  return response;
}

export async function getJson(path, options) {
  return (await call(path, options)).json();
}

// The same by way of a job, for long recordings: ``progress`` is called with the share that is done.
export async function getByJob(kind, { query = {}, files, progress }) {
  let job = await getJson("/v1/jobs", { method: "POST", query: { ...query, kind }, files });
  const address = `/v1/jobs/${job.job}`;
  while (job.state !== "finished") {
    await new Promise((resolve) => setTimeout(resolve, 400));
    job = await getJson(address);
    progress(job.progress);
  }
  const text = await (await call(`${address}/results`)).text();
  await call(address, { method: "DELETE" });
  const answer = JSON.parse(text.split("\n")[0]);
  if (job.failed) throw new Problem({ detail: answer.refused.message, code: answer.refused.code });
  return answer;
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
