// The page: a file in, the recording on paper, findings beside it.

import { Problem, call, decodeSamples, getByJob, getJson } from "./api.js";
import { Calipers } from "./calipers.js";
import { clock, comparisonTable, showAnswer } from "./findings.js";
import { laboratoryView } from "./laboratory.js";
import { showLive } from "./live.js";
import { drawOverview, drawPaper, planStrips, visibleSeconds } from "./paper.js";

const by = (id) => document.getElementById(id);
const state = {
  files: null, about: null, signal: null, overlay: null, saliency: null, overview: null, answer: null,
  start: 0, hidden: new Set(), turn: 0, laboratory: false,
};
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

function stated() {
  return { leads: by("leads").value.trim(), unit: by("unit").value.trim(), sampling_rate: by("rate").value };
}

const settings = () => ({
  layout: by("layout").value, speed: Number(by("speed").value), gain: Number(by("gain").value),
  zoom: Number(by("zoom").value) / 100,
});

async function open(files) {
  const turn = ++state.turn;
  showProblem(null);
  say("Reading …");
  Object.assign(state, { files, overlay: null, saliency: null, answer: null, start: 0, hidden: new Set() });
  for (const id of ["findings", "laboratory", "comparison", "recording"]) by(id).hidden = true;
  by("filtered").checked = by("saliency").checked = false;
  try {
    const about = await getJson("/v1/read", { method: "POST", query: { samples: true, ...stated() }, files });
    if (turn !== state.turn) return;
    state.about = about;
    state.signal = decodeSamples(about);
    state.overview = about.overview;
    showRecording();
    say("Interpreting …");
    const query = { model: by("model").value, lead: by("lead").value.trim(), ...stated() };
    const answer = await ask("diagnose", query, files, turn, "Interpreting");
    if (turn !== state.turn) return;
    state.answer = answer;
    showAnswer(answer, goTo);
    by("comparison").hidden = false;
    say("Done.");
    await showLaboratory(files, turn);
  } catch (error) {
    if (turn === state.turn) showProblem(error);
    if (!(error instanceof Problem)) throw error;
  }
}

const LONG_S = 600; // from here on an answer may take longer than a request: a job tells its progress

async function ask(kind, query, files, turn, words) {
  if (state.about.duration_s < LONG_S) return getJson(`/v1/${kind}`, { method: "POST", query, files });
  const progress = (share) => { if (turn === state.turn) say(`${words} … ${Math.round(100 * share)} %`); };
  return getByJob(kind, { query, files, progress });
}

async function showLaboratory(files, turn) {
  if (!state.laboratory) return;
  try {
    const query = { ...stated(), trend: state.about.duration_s > 60 };
    const answer = await ask("labs", query, files, turn, "Estimating laboratory values");
    if (turn !== state.turn || answer.refused) return;
    by("laboratory").hidden = false;
    const points = answer.trend ? answer.trend.points : [];
    by("laboratory-table").replaceChildren(laboratoryView(answer, points));
    say("Done.");
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // no model can estimate them from this recording
  }
}

function facts(about) {
  const rate = `${Number(about.sampling_rate.toFixed(3))} Hz`;
  const length = about.duration_s >= 120 ? clock(about.duration_s) : `${about.duration_s.toFixed(1)} s`;
  const person = [about.subject.age === null ? "" : `${about.subject.age} years`, about.subject.sex || ""].filter(Boolean);
  return [about.file, about.format, `${about.leads.length} lead${about.leads.length > 1 ? "s" : ""}`, rate, length,
    person.join(", "), about.start_time ? about.start_time.replace("T", " ") : ""].filter(Boolean).join(" · ");
}

function showRecording() {
  by("recording").hidden = false;
  by("facts").textContent = facts(state.about);
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

function filtersStated() {
  const words = Object.entries(state.about.filters).map(([key, value]) => `${key.replaceAll("_", " ")} ${value}`);
  return words.length ? words.join(", ") : "filters not stated";
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
  by("imprint").textContent = `${speed} mm/s · ${gain} mm/mV · ${filtersStated()} · drawn unfiltered${overlay} · from ${state.start.toFixed(1)} s · unconfirmed`;
  calipers.update({ plan, signal: state.signal, speed, zoom });
  if (state.overview) {
    drawOverview(by("overview"), state.overview, { start: state.start, seconds: plan.seconds });
    by("overview").setAttribute("aria-valuemax", Math.round(state.about.duration_s));
    by("overview").setAttribute("aria-valuenow", Math.round(state.start));
    by("overview").setAttribute("aria-valuetext", clock(state.start));
  }
}

async function goTo(seconds) {
  const shown = visibleSeconds(settings().speed);
  state.start = Math.min(Math.max(seconds, 0), Math.max(state.about.duration_s - shown, 0));
  const { signal } = state;
  const end = signal.start + signal.count / signal.rate;
  const wanted = Math.min(state.start + shown, state.about.duration_s);
  if (state.start < signal.start - 1e-6 || wanted > end + 1e-6) {
    const turn = state.turn;
    const query = { samples: true, start_s: Math.max(state.start - 15, 0), duration_s: 60, ...stated() };
    try {
      const part = await getJson("/v1/read", { method: "POST", query, files: state.files });
      if (turn !== state.turn) return;
      state.signal = decodeSamples(part);
      state.overlay = null;
      by("filtered").checked = false;
    } catch (error) { showProblem(error); }
  }
  draw();
}

async function toggleFiltered() {
  if (by("filtered").checked && !state.overlay) {
    const query = { samples: true, filtered: true, start_s: state.signal.start, duration_s: Math.min(state.signal.count / state.signal.rate, 60), ...stated() };
    try {
      state.overlay = decodeSamples(await getJson("/v1/read", { method: "POST", query, files: state.files }));
    } catch (error) { showProblem(error); }
  }
  draw();
}

async function toggleSaliency() {
  if (by("saliency").checked && !state.saliency) {
    say("Asking what the model looked at …");
    const query = { model: by("model").value, lead: by("lead").value.trim(), ...stated() };
    try {
      state.saliency = await getJson("/v1/explain", { method: "POST", query, files: state.files });
      say(`Shaded: what counts for “${state.saliency.target}”.`);
    } catch (error) { by("saliency").checked = false; showProblem(error); }
  }
  draw();
}

async function compare(files) {
  showProblem(null);
  try {
    const about = await getJson("/v1/read", { method: "POST", query: { samples: true, ...stated() }, files });
    const query = { model: state.answer.model, lead: by("lead").value.trim(), ...stated() };
    const answer = await getJson("/v1/diagnose", { method: "POST", query, files });
    by("earlier-facts").textContent = facts(about);
    const { speed, gain, layout } = settings();
    const plan = planStrips({ layout, leads: about.leads, speed, gain, start: 0 });
    by("earlier-paper").hidden = false;
    drawPaper(by("earlier-paper"), plan, { signal: decodeSamples(about), speed, gain, zoom: settings().zoom });
    by("earlier-table").replaceChildren(answer.refused ? answer.refused.message : comparisonTable(state.answer, answer));
  } catch (error) { showProblem(error); }
}

async function openSample(name) {
  const files = [];
  const { samples } = await getJson("/v1/samples");
  for (const file of samples[name]) {
    const response = await call(`/v1/samples/${name}/${file}`);
    files.push(new File([await response.blob()], file));
  }
  await open(files);
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
    button.addEventListener("click", () => openSample(button.dataset.sample).catch(showProblem));
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
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", draw);
}

connect();
listModels().catch(showProblem);
