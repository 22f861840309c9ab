// Watching a live stream: the last ten seconds on paper, findings as they stand.

import { currentToken, decodeFrame, getJson } from "./api.js";
import { button } from "./dom.js";
import { laboratoryView } from "./laboratory.js";
import { defaultLayout, planStrips } from "./layouts.js";
import { drawPaper } from "./paper.js";

const SECONDS = 10;
const LIST_MS = 2000;
const SILENCE_S = 4; // without a frame for so long, the device is gone, whatever the connection says
let watching = null; // {socket, identifier, timer}: one stream at a time
let visits = 0; // an answer that comes when the view was left is dropped

// As beside the findings of a file: a lead that the model did not learn from, noise, gaps.
function noticesOf(warnings) {
  const made = document.createElement("ul");
  made.className = "notices";
  for (const message of new Set(warnings.map((notice) => notice.message))) {
    const line = document.createElement("li");
    line.textContent = message;
    made.append(line);
  }
  return made;
}

function table(probabilities, present) {
  const made = document.createElement("table");
  for (const [name, value] of Object.entries(probabilities).sort((a, b) => b[1] - a[1])) {
    const row = made.insertRow();
    const here = (present || []).includes(name);
    if (here) row.className = "present";
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = name;
    row.append(head);
    const cell = row.insertCell();
    cell.className = "number";
    cell.textContent = `${(100 * value).toFixed(0)} %`;
    row.insertCell().textContent = present === null ? "not decided" : here ? "present" : "absent";
  }
  return made;
}

// The list is looked at again and again: a device may come at any time.
export async function showLive() {
  const visit = ++visits;
  let shown = null;
  while (visit === visits) {
    const { streams } = await getJson("/v1/streams");
    if (visit !== visits) return;
    const names = JSON.stringify(streams.map((stream) => [stream.stream, stream.name]));
    if (names !== shown) list(streams);
    shown = names;
    await new Promise((resolve) => setTimeout(resolve, LIST_MS));
  }
}

function list(streams) {
  const box = document.getElementById("live-list");
  box.replaceChildren();
  if (!streams.length) {
    box.textContent = "No stream is connected. Try: ecgfoundry stream replay sample:12-lead";
    return;
  }
  box.append(...streams.map((stream) => {
    const made = button(nameOf(stream), () => watch(stream));
    made.dataset.stream = stream.stream;
    return made;
  }));
  mark();
  if (streams.length === 1 && !watching) watch(streams[0]);
}

const nameOf = (stream) => stream.name || stream.stream.slice(0, 8);

// Which of the streams is watched: it must never be in doubt whose ECG this is.
function mark() {
  for (const one of document.querySelectorAll("#live-list button")) {
    one.setAttribute("aria-pressed", String(one.dataset.stream === watching?.identifier));
  }
}

// Say that nothing comes any more, or that it does again: what is shown then is of the past.
function showGone(words) {
  const gone = document.getElementById("live-gone");
  if (gone.textContent !== words) gone.textContent = words;
  gone.hidden = !words;
  for (const id of ["live-state", "live-paper", "live-table", "live-laboratory"]) {
    document.getElementById(id).classList.toggle("stale", Boolean(words));
  }
}

// Another view is open: nothing of a live stream stays behind it.
export function leaveLive() {
  visits++;
  stopWatching();
  showGone("");
  document.getElementById("live-list").replaceChildren();
  document.getElementById("live-table").replaceChildren();
  document.getElementById("live-laboratory-table").replaceChildren();
  document.getElementById("live-state").textContent = "";
  for (const id of ["live-paper", "live-laboratory"]) document.getElementById(id).hidden = true;
}

function stopWatching() {
  if (!watching) return;
  clearInterval(watching.timer);
  // What this stream still says must not arrive beside the next one.
  for (const name of ["onopen", "onclose", "onmessage"]) watching.socket[name] = null;
  watching.socket.close();
  watching = null;
}

function watch(stream) {
  stopWatching();
  const identifier = stream.stream, name = nameOf(stream);
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/v1/streams/${identifier}/watch`);
  socket.binaryType = "arraybuffer";
  const state = document.getElementById("live-state");
  delete state.dataset.words;
  state.textContent = name;
  const canvas = document.getElementById("live-paper");
  canvas.hidden = true;
  const estimates = document.getElementById("live-laboratory");
  estimates.hidden = true;
  document.getElementById("live-table").replaceChildren();
  showGone("");
  let about = null, signal = null, waiting = false, points = [], last = performance.now(), connected = true;
  const look = () => {
    const seconds = (performance.now() - last) / 1000;
    if (connected && seconds < SILENCE_S) { showGone(""); return; }
    const since = seconds < 120 ? `${Math.floor(seconds)} s` : `${Math.floor(seconds / 60)} min`;
    showGone(`${connected ? "Nothing comes from the device" : "The device is gone"}: no signal for ${since}. What is shown is of the past.`);
  };
  watching = { socket, identifier, timer: setInterval(look, 500) };
  mark();
  socket.onopen = () => socket.send(JSON.stringify(currentToken() ? { token: currentToken() } : {}));
  let reason = "the connection to the service is lost";
  socket.onclose = () => {
    clearInterval(watching.timer);
    state.textContent = [name, state.dataset.words, reason].filter(Boolean).join(" · ");
    showGone(`This stream is over: ${reason}. What is shown is of the past.`);
  };
  socket.onmessage = (event) => {
    if (event.data instanceof ArrayBuffer) {
      if (!about) return;
      last = performance.now();
      add(signal, decodeFrame(event.data));
      if (!waiting) {
        waiting = true;
        requestAnimationFrame(() => { waiting = false; draw(); });
      }
      return;
    }
    const message = JSON.parse(event.data);
    if (message.type === "opened") {
      about = message;
      signal = {
        leads: about.leads, rate: about.sampling_rate, start: 0, count: Math.round(SECONDS * about.sampling_rate),
        data: about.leads.map(() => new Float32Array(Math.round(SECONDS * about.sampling_rate)).fill(NaN)), end: 0,
      };
      canvas.hidden = false;
      connected = about.connected;
      look();
    } else if (message.type === "device") {
      connected = message.connected;
      look();
    } else if (message.type === "answer") {
      const steady = message.steady;
      const words = steady.refused ? steady.refused.message
        : steady.present === null ? "not decided" : steady.present.join(", ") || "no finding of this model";
      if (state.dataset.words !== words) state.dataset.words = words;
      state.textContent = `${name} · ${words} · ${message.time_s.toFixed(0)} s · ${about ? about.model : ""}`;
      document.getElementById("live-table").replaceChildren(
        ...(message.warnings.length ? [noticesOf(message.warnings)] : []),
        ...(steady.probabilities ? [table(steady.probabilities, steady.present)] : []));
    } else if (message.type === "laboratory") {
      if (message.history) points = message.history;
      if (points.length && message.time_s <= points[points.length - 1].time_s) points = [];
      points = [...points, { time_s: message.time_s, estimates: message.estimates }].slice(-360);
      estimates.hidden = false;
      const words = `Laboratory estimates, mean of the last ${Math.round(Math.min(message.span_s, message.time_s) / 6) / 10} min`;
      document.getElementById("live-laboratory-words").textContent = words;
      document.getElementById("live-laboratory-table").replaceChildren(laboratoryView(message, points));
    } else if (message.type === "restarted") {
      points = [];
      if (signal) { forget(signal); draw(); }
      document.getElementById("live-table").replaceChildren();
      estimates.hidden = true;
      delete state.dataset.words;
      state.textContent = `${name} · ${message.reason}`;
    } else if (message.type === "closing" || message.type === "problem") {
      reason = message.reason || message.detail;
    }
  };
  function draw() {
    const plan = planStrips({
      layout: defaultLayout(signal.leads, 10), leads: signal.leads, speed: 25, gain: 10, start: signal.start,
    });
    drawPaper(canvas, plan, { signal, speed: 25, gain: 10, zoom: 1 });
  }
}

// What comes now may be of somebody else, and its numbers begin anew.
function forget(signal) {
  for (const values of signal.data) values.fill(NaN);
  signal.end = 0;
}

// Keep the newest ten seconds; what did not come stays missing.
function add(signal, frame) {
  const end = Math.max(signal.end, frame.start + frame.count);
  const shift = signal.end ? end - signal.end : 0;
  for (let row = 0; row < signal.data.length; row++) {
    const values = signal.data[row];
    if (shift >= signal.count) values.fill(NaN);
    else if (shift > 0) { values.copyWithin(0, shift); values.fill(NaN, signal.count - shift); }
    for (let k = 0; k < frame.count; k++) {
      const at = signal.count - (end - (frame.start + k));
      if (at >= 0) values[at] = frame.data[row][k];
    }
  }
  signal.end = end;
  signal.start = end / signal.rate - signal.count / signal.rate;
}
