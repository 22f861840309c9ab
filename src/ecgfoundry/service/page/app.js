// The page: which view is open, the recording that is read, and what is drawn of it.
//
// Everything that is asked for a recording belongs to its session (session.js). The next recording, the
// back button or another view ends it and clears all that was shown, so that nothing of one patient
// stays, or arrives, beside the ECG of another.

import { Problem, Superseded, call, decodeSamples, getJson } from "./api.js";
import { Calipers } from "./calipers.js";
import { ComparisonView } from "./comparison.js";
import { by, button, clock, element } from "./dom.js";
import { stretchesOfStatement } from "./evidence.js";
import { showNetwork } from "./findings.js";
import { facts, filtersStated, recordedAt, showDeviceStatements, showHead, showMeasurements } from "./header.js";
import { HolterView } from "./holter.js";
import { laboratoryView } from "./laboratory.js";
import { defaultLayout, ordered, planStrips, rhythmLeadOf, stripsOf, visibleSeconds } from "./layouts.js";
import { leaveLive, showLive } from "./live.js";
import { shownStretches, stripsFor } from "./marks.js";
import { CSS_MM, drawOverview, drawPaper } from "./paper.js";
import { printStamp } from "./print.js";
import { ReviewView } from "./review.js";
import { Session } from "./session.js";
import { Statements, showUndecided } from "./statements.js";
import { Worklist, othersOf } from "./worklist.js";

const NOTHING = { signal: null, overlay: null, saliency: null, overview: null, answer: null, lit: [], start: 0 };
const state = { ...NOTHING, session: null, hidden: new Set(), part: 0, laboratory: false };
const calipers = new Calipers(by("paper"), by("caliper-layer"), by("measured"));
const statements = new Statements(by("statements"), light);
const comparison = new ComparisonView(settings);
const holter = new HolterView(goTo);
const review = new ReviewView();
const worklist = new Worklist();
comparison.failed = review.failed = showProblem;

function say(text) { by("status").textContent = text; }

function showProblem(error) {
  const box = by("problem");
  box.hidden = !error;
  if (!error) return;
  box.replaceChildren(element("strong", error.message), error.remedy || "");
  say("");
}

// Run something for the session that is open; what comes too late is dropped without a word.
async function attempt(action) {
  const { session } = state;
  try {
    await action(session);
  } catch (error) {
    if (error instanceof Superseded || session !== state.session) return;
    showProblem(error);
    if (!(error instanceof Problem)) throw error;
  }
}

function settings() {
  return {
    layout: by("layout").value, speed: Number(by("speed").value), gain: Number(by("gain").value),
    zoom: Number(by("zoom").value) / 100, rhythmLead: by("rhythm-lead").value,
    duration: state.session?.about?.duration_s,
  };
}

// End what was asked for the recording before, and show nothing of it any more.
function clear() {
  state.session?.end();
  Object.assign(state, NOTHING, { session: null, hidden: new Set() });
  state.part++;
  comparison.clear();
  holter.clear();
  review.clear();
  for (const id of ["recording", "laboratory", "lit", "network", "undecided", "device-statements"]) by(id).hidden = true;
  for (const id of ["facts", "imprint", "lit-words", "verdict", "provenance"]) by(id).textContent = "";
  for (const id of ["source", "measures", "laboratory-table", "table", "warnings", "statements", "earlier-kept"]) by(id).replaceChildren();
  by("paper").width = by("overview").width = 0; // empties it
  by("filtered").checked = by("saliency").checked = false;
  calipers.forget();
  document.body.classList.remove("opened");
  showProblem(null);
  say("");
}

function begin(source) {
  clear();
  const stated = { leads: by("leads").value.trim(), unit: by("unit").value.trim(), sampling_rate: by("rate").value };
  state.session = new Session({ ...source, stated, lead: by("lead").value.trim(), model: by("model").value });
  document.body.classList.add("opened");
  say("Reading …");
  return attempt(show);
}

function openFiles(files) {
  if (location.hash && location.hash !== "#ecg") history.pushState(null, "", "#ecg");
  showView("ecg");
  return begin({ files });
}

async function show(session) {
  await session.hold();
  session.about = await session.post("read", { samples: true });
  state.signal = decodeSamples(session.about);
  state.overview = session.about.overview;
  showRecording(session.about);
  const told = (share) => say(`Interpreting … ${Math.round(100 * share)} %`);
  say("Interpreting …");
  state.answer = await session.ask("diagnose", { model: session.model, lead: session.lead, format: "reading" }, told);
  showAnswer(session, state.answer);
  draw();
  await holter.open(session, state.answer, say);
  await showLaboratory(session);
  say("Done.");
}

function showAnswer(session, answer) {
  const { reading } = answer;
  showMeasurements(by("measures"), reading.header);
  showNetwork(answer);
  statements.show(reading.statements);
  showUndecided(by("undecided"), reading);
  review.open(session, answer).catch(showProblem);
  by("keep").hidden = Boolean(session.kept);
  offerEarlier(session).catch(() => {}); // a service that keeps nothing has none to offer
}

// Kept recordings of the same person are one click away.
async function offerEarlier(session) {
  const others = await othersOf(session);
  if (session !== state.session) return;
  by("earlier-kept").replaceChildren(...others.map((entry) =>
    button(`Compare with ${recordedAt(entry.taken) || entry.file}`, () => compare({ kept: entry.recording }))));
}

async function showLaboratory(session) {
  if (!state.laboratory) return;
  try {
    const told = (share) => say(`Estimating laboratory values … ${Math.round(100 * share)} %`);
    const answer = await session.ask("labs", { trend: session.about.duration_s > 60 }, told);
    if (answer.refused) return;
    by("laboratory").hidden = false;
    by("laboratory-table").replaceChildren(laboratoryView(answer, answer.trend ? answer.trend.points : []));
  } catch (error) {
    if (!(error instanceof Problem)) throw error; // no model can estimate them from this recording
  }
}

function showRecording(about) {
  by("recording").hidden = false;
  by("facts").textContent = facts(about);
  showHead(by("recording-title"), by("source"), about);
  showDeviceStatements(by("device-statements"), about);
  by("layout").value = defaultLayout(about.leads, about.duration_s);
  by("rhythm-lead").replaceChildren(...about.leads.map((lead) => new Option(lead, lead)));
  by("rhythm-lead").value = rhythmLeadOf(about.leads);
  const boxes = about.leads.map((lead) => {
    const label = element("label");
    const box = element("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) state.hidden.delete(lead); else state.hidden.add(lead);
      draw();
    });
    label.append(box, ` ${lead}`);
    return label;
  });
  by("leads-shown").replaceChildren(by("leads-shown").querySelector("legend"), ...boxes);
  by("overview-box").hidden = !state.overview;
  printStamp(about);
  draw();
}

function plan() {
  const { layout, speed, gain, rhythmLead, duration } = settings();
  const leads = state.session.about.leads.filter((lead) => !state.hidden.has(lead));
  return leads.length ? planStrips({ layout, leads, speed, gain, start: state.start, rhythmLead, duration }) : null;
}

function draw() {
  if (!state.signal) return;
  const { about } = state.session;
  const { speed, gain, zoom } = settings();
  const planned = plan();
  if (!planned) return;
  const beats = state.answer?.measurements?.beats ?? holter.beats ?? [];
  drawPaper(by("paper"), planned, {
    signal: state.signal, overlay: by("filtered").checked ? state.overlay : null,
    saliency: by("saliency").checked ? state.saliency : null, lit: state.lit, beats: near(beats, planned),
    waves: by("marks").checked, labels: by("marks").checked, speed, gain, zoom,
  });
  by("lit-go").hidden = !state.lit.length || shownStretches(planned, state.lit).length > 0;
  const until = Math.min(state.start + planned.seconds, about.duration_s);
  by("paper").setAttribute("aria-label",
    `ECG, ${[...new Set(planned.strips.map((strip) => strip.lead))].join(", ")}, from ${state.start.toFixed(1)} to ${until.toFixed(1)} seconds`);
  const overlay = by("filtered").checked && state.overlay ? " · overlay 0.67–40 Hz, zero phase" : "";
  const marks = by("marks").checked && beats.length ? " · marks: onset of P, QRS onset to J, end of T" : "";
  by("imprint").textContent = `${speed} mm/s · ${gain} mm/mV · filters of the device ${filtersStated(about)} · drawn unfiltered${overlay}${marks} · from ${state.start.toFixed(1)} s · unconfirmed`;
  calipers.update({ plan: planned, signal: state.signal, speed, zoom });
  if (state.overview) {
    drawOverview(by("overview"), state.overview, { start: state.start, seconds: planned.seconds });
    by("overview").setAttribute("aria-valuemax", Math.round(about.duration_s));
    by("overview").setAttribute("aria-valuenow", Math.round(state.start));
    by("overview").setAttribute("aria-valuetext", clock(state.start));
  }
  holter.draw({ start: state.start, seconds: planned.seconds });
}

// Beats in and around what is on the paper: a day has a hundred thousand.
function near(beats, planned) {
  const from = state.start - 2, to = state.start + planned.seconds + 2;
  return beats.filter((beat) => beat.time_s > from && beat.time_s < to);
}

// Light what a statement rests on; null puts the light out.
function light(statement) {
  const { answer } = state;
  state.lit = statement && answer.measurements
    ? stretchesOfStatement(statement, answer.measurements.beats, answer.reading) : [];
  by("lit").hidden = !statement;
  if (statement) {
    const leads = [...new Set(state.lit.map((one) => one.lead))];
    const named = new Set(leads.map((lead) => lead ?? stripsOf(plan(), null)[0].lead));
    const where = !leads.length ? "it rests on no single place of the trace"
      : leads.includes("*") ? "seen in all leads" : `seen in ${ordered([...named]).join(", ")}`;
    by("lit-words").textContent = `Lit: ${statement.words}, ${where}.`;
  }
  draw();
  if (state.lit.length) showLit();
}

// On a narrow screen the lit part of the paper may be out of sight.
function showLit() {
  const planned = plan(), zoom = settings().zoom * CSS_MM;
  const [first] = shownStretches(planned, state.lit);
  if (!first) return;
  const strip = stripsFor(planned, first.lead).find((one) => first.from < one.to && first.to > one.from);
  const box = by("paper-scroll");
  const x = (strip.x + Math.max(first.from - strip.from, 0) * settings().speed) * zoom;
  if (x < box.scrollLeft || x > box.scrollLeft + box.clientWidth - 40) box.scrollLeft = Math.max(x - 60, 0);
  if (window.innerWidth <= 640) by("lit").scrollIntoView({ block: "start" });
}

// The evidence is in another lead or at another time than the paper shows.
function goToLit() {
  const [first] = state.lit;
  if (first.lead && first.lead !== "*" && by("layout").value !== "12x1") by("layout").value = "12x1";
  return goTo(first.from - 1);
}

function goTo(seconds) {
  return attempt(async (session) => {
    if (!session?.about) return;
    const { layout, speed, duration } = settings();
    const shown = visibleSeconds({ layout, speed, duration });
    state.start = Math.min(Math.max(seconds, 0), Math.max(duration - shown, 0));
    const { signal } = state;
    const end = signal.start + signal.count / signal.rate;
    const wanted = Math.min(state.start + shown, duration);
    const part = ++state.part; // an answer to an earlier jump must not move the paper back
    if (state.start < signal.start - 1e-6 || wanted > end + 1e-6) {
      const before = Math.max((60 - shown) / 2, 0);
      const answer = await session.post("read", { samples: true, start_s: Math.max(state.start - before, 0), duration_s: 60 });
      if (part !== state.part) return;
      state.signal = decodeSamples(answer);
      state.overlay = null;
      by("filtered").checked = false;
    }
    draw();
  });
}

function toggleFiltered() {
  return attempt(async (session) => {
    if (by("filtered").checked && !state.overlay) {
      const { signal } = state;
      const query = { samples: true, filtered: true, start_s: signal.start, duration_s: Math.min(signal.count / signal.rate, 60) };
      const overlay = decodeSamples(await session.post("read", query));
      if (signal === state.signal) state.overlay = overlay; // else another part is on the paper now
    }
    draw();
  });
}

function toggleSaliency() {
  return attempt(async (session) => {
    if (by("saliency").checked && !state.saliency) {
      say("Asking what the model looked at …");
      try {
        state.saliency = await session.post("explain", { model: state.answer?.model ?? session.model, lead: session.lead });
      } catch (error) {
        if (!(error instanceof Superseded)) by("saliency").checked = false;
        throw error;
      }
      say(`Shaded: what counts for “${state.saliency.target}”.`);
    }
    draw();
  });
}

function compare(earlier) {
  showProblem(null);
  return attempt((session) => comparison.open(session, earlier));
}

// Keep it on the server, so that it stands in the worklist; the address then names it.
function keep() {
  return attempt(async (session) => {
    say("Keeping …");
    const { recording } = await getJson("/v1/recordings", {
      method: "POST", query: { diagnose: true }, files: session.files, turn: session.turn,
    });
    location.hash = `#recording/${recording}`;
  });
}

async function openSample(name) {
  const files = [];
  const { samples } = await getJson("/v1/samples");
  for (const file of samples[name]) {
    const response = await call(`/v1/samples/${name}/${file}`);
    files.push(new File([await response.blob()], file));
  }
  return files;
}

let sampling = 0;
async function sample(name) {
  const turn = ++sampling;
  clear();
  say("Reading …");
  const { session } = state;
  try {
    const files = await openSample(name);
    if (turn === sampling && session === state.session) await openFiles(files); // else another was opened meanwhile
  } catch (error) {
    showProblem(error);
  }
}

// ------------------------------------------------------------------------------------- views

function showView(view) {
  for (const name of ["ecg", "worklist", "live"]) by(`view-${name}`).hidden = name !== view;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === view) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  if (view !== "live") leaveLive();
  if (view !== "worklist") worklist.leave();
}

// The address after "#" says what is shown: ecg, worklist, live, or recording/NAME.
function route() {
  const [view, name] = location.hash.slice(1).split("/");
  showProblem(null);
  if (view === "recording" && /^[0-9a-f]{32}$/.test(name ?? "")) {
    showView("ecg");
    if (state.session?.kept !== name) begin({ kept: name });
  } else if (view === "worklist" || view === "live") {
    clear();
    showView(view);
    (view === "live" ? showLive() : worklist.open()).catch(showProblem);
  } else {
    showView("ecg");
    if (state.session?.kept) clear();
  }
}

async function listModels() {
  const { models } = await getJson("/v1/models");
  for (const model of models) {
    const option = new Option(model.name, model.name);
    option.title = model.title;
    by("model").append(option);
    state.laboratory ||= model.kinds.includes("laboratory indicator");
  }
}

function chosenFiles(id, action) {
  by(id).addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    if (files.length) action(files);
  });
}

function connectOpening() {
  chosenFiles("file", openFiles);
  chosenFiles("earlier", (files) => compare({ files }));
  for (const one of document.querySelectorAll("[data-sample]")) {
    one.addEventListener("click", () => sample(one.dataset.sample));
  }
  const drop = by("drop");
  document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) openFiles([...event.dataTransfer.files]);
  });
  by("model").addEventListener("change", () => {
    const { session } = state;
    if (session) begin(session.kept ? { kept: session.kept } : { files: session.files });
  });
  by("keep").addEventListener("click", keep);
  by("print").addEventListener("click", () => { printStamp(state.session?.about); window.print(); });
  window.addEventListener("beforeprint", () => printStamp(state.session?.about));
}

function connectDrawing() {
  for (const id of ["gain", "marks"]) by(id).addEventListener("change", draw);
  for (const id of ["layout", "speed", "rhythm-lead"]) by(id).addEventListener("change", () => goTo(state.start));
  by("zoom").addEventListener("input", () => { by("zoom-value").textContent = `${by("zoom").value} %`; draw(); });
  by("filtered").addEventListener("change", toggleFiltered);
  by("saliency").addEventListener("change", toggleSaliency);
  by("calipers-button").addEventListener("click", () => {
    calipers.toggle(!calipers.on);
    by("calipers-button").setAttribute("aria-pressed", String(calipers.on));
    if (calipers.on && !calipers.handles[0].hidden) calipers.handles[0].focus();
  });
  // "More" lies over the paper: a click elsewhere or Escape puts it away.
  const more = by("more");
  document.addEventListener("pointerdown", (event) => { if (!more.contains(event.target)) more.open = false; });
  more.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    more.open = false;
    more.querySelector("summary").focus();
  });
  by("lit-go").addEventListener("click", goToLit);
  by("lit-clear").addEventListener("click", () => {
    const open = by("statements").querySelector("[aria-expanded=true]");
    open?.click();
    open?.focus();
  });
  const step = (sign) => goTo(state.start + sign * visibleSeconds(settings()) / 2);
  by("back").addEventListener("click", () => step(-1));
  by("forth").addEventListener("click", () => step(1));
  by("paper-scroll").addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -0.2, ArrowRight: 0.2, PageUp: -10, PageDown: 10 }[event.key];
    if (move === undefined || event.target !== by("paper-scroll")) return;
    event.preventDefault();
    goTo(state.start + move);
  });
  for (const id of ["overview", "timeline"]) connectSlider(by(id));
  const again = () => { draw(); comparison.draw(); };
  window.addEventListener("resize", again);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", again);
}

// A picture of the whole recording: a click or a key moves the paper there.
function connectSlider(canvas) {
  canvas.addEventListener("click", (event) => goTo((event.offsetX / canvas.clientWidth) * state.session.about.duration_s - 5));
  canvas.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: -10, ArrowRight: 10, PageUp: -600, PageDown: 600 }[event.key];
    if (event.key === "Home") goTo(0);
    else if (event.key === "End") goTo(Infinity);
    else if (move !== undefined) goTo(state.start + move);
    else return;
    event.preventDefault();
  });
}

function connect() {
  connectOpening();
  connectDrawing();
  review.changed = () => { const { session } = state; if (session?.kept) review.open(session, state.answer).catch(showProblem); };
  window.addEventListener("hashchange", route);
  window.addEventListener("pagehide", (event) => {
    if (event.persisted) return; // the page may be shown again as it is
    state.session?.release();
  });
}

connect();
listModels().catch(showProblem);
route();
