// The page: a file in, the recording on paper, findings beside it.
//
// Everything that is asked for a recording is asked in its turn (api.js). The next recording ends the
// turn before it and clears all that was shown, so that nothing of one patient stays, or arrives,
// beside the ECG of another.

import { Problem, Superseded, Turn, call, decodeSamples, getByJob, getJson } from "./api.js";
import { Calipers } from "./calipers.js";
import { clock, comparisonTable, showAnswer } from "./findings.js";
import { laboratoryView } from "./laboratory.js";
import { showLive } from "./live.js";
import { drawOverview, drawPaper, planStrips, visibleSeconds } from "./paper.js";
import { differentPeople, facts, filtersStated, showSource } from "./source.js";

const by = (id) => document.getElementById(id);
const NOTHING = {
  files: null, recording: null, stated: {}, lead: "", about: null, signal: null, overlay: null, saliency: null, overview: null,
  answer: null, start: 0,
};
const state = { ...NOTHING, hidden: new Set(), turn: new Turn(), part: 0, comparing: null, laboratory: false };
const calipers = new Calipers(by("paper"), by("caliper-layer"), by("measured"));

function say(text) { by("status").textContent = text; }

function showProblem(error) {
  const box = by("problem");
  box.hidden = !error;
  if (!error) return;
  box.replaceChildren();
  const strong = document.createElement("strong");
  strong.textContent = error.message;
  box.append(strong, error.remedy || "");
  say("");
}

// Run something for the recording that is open; what comes too late is dropped without a word.
async function attempt(action) {
  const turn = state.turn;
  try {
    await action(turn);
  } catch (error) {
    if (error instanceof Superseded || turn !== state.turn) return;
    showProblem(error);
    if (!(error instanceof Problem)) throw error;
  }
}

const settings = () => ({
  layout: by("layout").value, speed: Number(by("speed").value), gain: Number(by("gain").value),
  zoom: Number(by("zoom").value) / 100,
});

// End what was asked for the recording before, and show nothing of it any more.
function begin() {
  state.turn.end();
  state.comparing?.end();
  letGo(state.recording);
  Object.assign(state, NOTHING, { hidden: new Set(), turn: new Turn(), comparing: null });
  state.part++;
  for (const id of ["findings", "laboratory", "comparison", "recording"]) by(id).hidden = true;
  for (const id of ["facts", "imprint", "earlier-facts", "earlier-warning"]) by(id).textContent = "";
  for (const id of ["source", "laboratory-table", "earlier-table", "table", "warnings", "event-list"]) by(id).replaceChildren();
  by("earlier-paper").hidden = true;
  for (const id of ["paper", "earlier-paper"]) by(id).width = 0; // empties it
  by("filtered").checked = by("saliency").checked = false;
  calipers.forget();
  showProblem(null);
  say("Reading …");
}

function open(files) {
  begin();
  state.files = files;
  state.lead = by("lead").value.trim();
  state.stated = { leads: by("leads").value.trim(), unit: by("unit").value.trim(), sampling_rate: by("rate").value };
  return attempt(show);
}

async function show(turn) {
  state.recording = await hold(state.files, turn);
  state.about = await post("read", { samples: true }, turn);
  state.signal = decodeSamples(state.about);
  state.overview = state.about.overview;
  showRecording();
  say("Interpreting …");
  state.answer = await ask("diagnose", { model: by("model").value, lead: state.lead }, turn, "Interpreting");
  showAnswer(state.answer, goTo);
  by("comparison").hidden = false;
  say("Done.");
  await showLaboratory(turn);
}

// Send files once and get a name for them; null where the service has no room, and they are sent
// again with every question.
async function hold(files, turn) {
  try {
    return (await getJson("/v1/uploads", { method: "POST", files, turn })).recording;
  } catch (error) {
    if (error instanceof Problem && ["limit", "disk-full"].includes(error.code)) return null;
    throw error;
  }
}

// Nobody asks about a recording any more; also when the page is closed.
function letGo(recording) {
  if (recording) call(`/v1/recordings/${recording}`, { method: "DELETE", keepalive: true }).catch(() => {});
}

function sent() {
  return state.recording ? { query: { recording: state.recording } } : { files: state.files };
}

// Ask something about the recording that is open, with what was stated when it was opened.
async function post(kind, query, turn) {
  const ask = () => {
    const { query: named, files } = sent();
    return getJson(`/v1/${kind}`, { method: "POST", query: { ...query, ...state.stated, ...named }, files, turn });
  };
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "recording-not-found") throw error;
    state.recording = await hold(state.files, turn); // it was not asked about for a while
    return ask();
  }
}

const LONG_S = 600; // from here on an answer may take longer than a request: a job tells its progress

async function ask(kind, query, turn, words) {
  if (state.about.duration_s < LONG_S) return post(kind, query, turn);
  const progress = (share) => say(`${words} … ${Math.round(100 * share)} %`);
  const { query: named, files } = sent();
  try {
    return await getByJob(kind, { query: { ...query, ...state.stated, ...named }, files, progress, turn });
  } catch (error) {
    if (!(error instanceof Problem) || !["role", "recording-not-found"].includes(error.code)) throw error;
    return post(kind, query, turn); // a token that may only read starts no jobs
  }
}

async function showLaboratory(turn) {
  if (!state.laboratory) return;
  try {
    const answer = await ask("labs", { trend: state.about.duration_s > 60 }, turn, "Estimating laboratory values");
    if (answer.refused) return;
    by("laboratory").hidden = false;
    const points = answer.trend ? answer.trend.points : [];
    by("laboratory-table").replaceChildren(laboratoryView(answer, points));
    say("Done.");
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // no model can estimate them from this recording
    say("Done.");
  }
}

function showRecording() {
  by("recording").hidden = false;
  by("facts").textContent = facts(state.about);
  showSource(by("source"), state.about);
  by("layout").value = state.about.leads.length >= 6 ? "3x4" : state.about.leads.length > 1 ? "12x1" : "single";
  const boxes = state.about.leads.map((lead) => {
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) state.hidden.delete(lead); else state.hidden.add(lead);
      draw();
    });
    label.append(box, ` ${lead}`);
    return label;
  });
  const legend = by("leads-shown").querySelector("legend");
  by("leads-shown").replaceChildren(legend, ...boxes);
  by("overview-box").hidden = !state.overview;
  draw();
}

function draw() {
  if (!state.signal) return;
  const { layout, speed, gain, zoom } = settings();
  const leads = state.about.leads.filter((lead) => !state.hidden.has(lead));
  if (!leads.length) return;
  const plan = planStrips({ layout, leads, speed, gain, start: state.start });
  drawPaper(by("paper"), plan, {
    signal: state.signal, overlay: by("filtered").checked ? state.overlay : null,
    saliency: by("saliency").checked ? state.saliency : null, speed, gain, zoom,
  });
  by("paper").setAttribute("aria-label",
    `ECG, ${leads.join(", ")}, from ${state.start.toFixed(1)} to ${(state.start + plan.seconds).toFixed(1)} seconds`);
  const overlay = by("filtered").checked && state.overlay ? " · overlay 0.67–40 Hz, zero phase" : "";
  by("imprint").textContent = `${speed} mm/s · ${gain} mm/mV · ${filtersStated(state.about)} · drawn unfiltered${overlay} · from ${state.start.toFixed(1)} s · unconfirmed`;
  calipers.update({ plan, signal: state.signal, speed, zoom });
  if (state.overview) {
    drawOverview(by("overview"), state.overview, { start: state.start, seconds: plan.seconds });
    by("overview").setAttribute("aria-valuemax", Math.round(state.about.duration_s));
    by("overview").setAttribute("aria-valuenow", Math.round(state.start));
    by("overview").setAttribute("aria-valuetext", clock(state.start));
  }
}

function goTo(seconds) {
  return attempt(async (turn) => {
    if (!state.about) return;
    const shown = visibleSeconds(settings().speed);
    state.start = Math.min(Math.max(seconds, 0), Math.max(state.about.duration_s - shown, 0));
    const { signal } = state;
    const end = signal.start + signal.count / signal.rate;
    const wanted = Math.min(state.start + shown, state.about.duration_s);
    const part = ++state.part; // an answer to an earlier jump must not move the paper back
    if (state.start < signal.start - 1e-6 || wanted > end + 1e-6) {
      const query = { samples: true, start_s: Math.max(state.start - 15, 0), duration_s: 60 };
      const answer = await post("read", query, turn);
      if (part !== state.part) return;
      state.signal = decodeSamples(answer);
      state.overlay = null;
      by("filtered").checked = false;
    }
    draw();
  });
}

function toggleFiltered() {
  return attempt(async (turn) => {
    if (by("filtered").checked && !state.overlay) {
      const { signal } = state;
      const query = { samples: true, filtered: true, start_s: signal.start, duration_s: Math.min(signal.count / signal.rate, 60) };
      const overlay = decodeSamples(await post("read", query, turn));
      if (signal === state.signal) state.overlay = overlay; // else another part is on the paper now
    }
    draw();
  });
}

function toggleSaliency() {
  return attempt(async (turn) => {
    if (by("saliency").checked && !state.saliency) {
      say("Asking what the model looked at …");
      try {
        state.saliency = await post("explain", { model: state.answer?.model ?? by("model").value, lead: state.lead }, turn);
      } catch (error) {
        if (!(error instanceof Superseded)) by("saliency").checked = false;
        throw error;
      }
      say(`Shaded: what counts for “${state.saliency.target}”.`);
    }
    draw();
  });
}

function compare(files) {
  state.comparing?.end();
  const own = state.comparing = new Turn(); // of two earlier ECGs, the one chosen last is shown
  showProblem(null);
  by("earlier-facts").textContent = "Reading the earlier ECG …";
  by("earlier-warning").textContent = "";
  by("earlier-table").replaceChildren();
  by("earlier-paper").hidden = true;
  return attempt(async () => {
    const { about: now, answer: ours, stated, lead } = state;
    let recording = null;
    try {
      recording = await hold(files, own);
      const ask = (kind, query) => getJson(`/v1/${kind}`, {
        method: "POST", turn: own, files: recording ? null : files, query: { ...query, ...stated, recording },
      });
      const about = await ask("read", { samples: true });
      const answer = await ask("diagnose", { model: ours.model, lead });
      by("earlier-facts").textContent = facts(about);
      by("earlier-warning").textContent = differentPeople(now, about);
      const { speed, gain, layout } = settings();
      const plan = planStrips({ layout, leads: about.leads, speed, gain, start: 0 });
      by("earlier-paper").hidden = false;
      drawPaper(by("earlier-paper"), plan, { signal: decodeSamples(about), speed, gain, zoom: settings().zoom });
      by("earlier-table").replaceChildren(answer.refused ? answer.refused.message : comparisonTable(ours, answer));
    } catch (error) {
      if (!(error instanceof Superseded)) by("earlier-facts").textContent = "";
      throw error;
    } finally {
      letGo(recording);
    }
  });
}

async function openSample(name) {
  begin();
  return attempt(async (turn) => {
    const { samples } = await getJson("/v1/samples", { turn });
    const files = [];
    for (const file of samples[name]) {
      const response = await call(`/v1/samples/${name}/${file}`, { turn });
      files.push(new File([await response.blob()], file));
      turn.check();
    }
    await open(files);
  });
}

async function listModels() {
  const { models } = await getJson("/v1/models");
  for (const model of models) {
    const option = document.createElement("option");
    option.value = model.name;
    option.textContent = model.name;
    option.title = model.title;
    by("model").append(option);
    state.laboratory ||= model.kinds.includes("laboratory indicator");
  }
}

function connect() {
  by("file").addEventListener("change", (event) => { if (event.target.files.length) open([...event.target.files]); event.target.value = ""; });
  by("earlier").addEventListener("change", (event) => { if (event.target.files.length) compare([...event.target.files]); event.target.value = ""; });
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", () => openSample(button.dataset.sample));
  }
  const drop = by("drop");
  document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) open([...event.dataTransfer.files]);
  });
  for (const id of ["layout", "gain"]) by(id).addEventListener("change", draw);
  by("speed").addEventListener("change", () => goTo(state.start));
  by("zoom").addEventListener("input", () => { by("zoom-value").textContent = `${by("zoom").value} %`; draw(); });
  by("filtered").addEventListener("change", toggleFiltered);
  by("saliency").addEventListener("change", toggleSaliency);
  by("model").addEventListener("change", () => { if (state.files) open(state.files); });
  by("calipers-button").addEventListener("click", () => {
    calipers.toggle(!calipers.on);
    by("calipers-button").setAttribute("aria-pressed", String(calipers.on));
    if (calipers.on && !calipers.handles[0].hidden) calipers.handles[0].focus();
  });
  by("back").addEventListener("click", () => goTo(state.start - visibleSeconds(settings().speed) / 2));
  by("forth").addEventListener("click", () => goTo(state.start + visibleSeconds(settings().speed) / 2));
  by("paper-scroll").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -0.2, ArrowRight: 0.2, PageUp: -10, PageDown: 10 }[event.key];
    if (step === undefined || event.target !== by("paper-scroll")) return;
    event.preventDefault();
    goTo(state.start + step);
  });
  const overview = by("overview");
  overview.addEventListener("click", (event) => goTo((event.offsetX / overview.clientWidth) * state.about.duration_s - 5));
  overview.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -10, ArrowRight: 10, PageUp: -600, PageDown: 600 }[event.key];
    if (event.key === "Home") goTo(0);
    else if (event.key === "End") goTo(Infinity);
    else if (step !== undefined) goTo(state.start + step);
    else return;
    event.preventDefault();
  });
  by("show-live").addEventListener("click", () => showLive().catch(showProblem));
  window.addEventListener("resize", draw);
  window.addEventListener("pagehide", (event) => {
    if (event.persisted) return; // the page may be shown again as it is
    letGo(state.recording);
    state.recording = null;
  });
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
}

connect();
listModels().catch(showProblem);
