// The page: which view is open, and the recording that is read in it.
//
// Everything that is asked for a recording belongs to its session (session.js). The next recording, the
// back button or another view ends it and clears all that was shown, so that nothing of one patient
// stays, or arrives, beside the ECG of another.

import { Problem, Superseded, call, decodeSamples, ended, getJson } from "./api.js";
import { ComparisonView } from "./comparison.js";
import { by, button, element } from "./dom.js";
import { showNetwork } from "./findings.js";
import { facts, recordedAt, showDeviceStatements, showHead, showMeasurements } from "./header.js";
import { HolterView } from "./holter.js";
import { laboratoryView } from "./laboratory.js";
import { leaveLive, showLive } from "./live.js";
import { printStamp } from "./print.js";
import { ReviewView } from "./review.js";
import { Session } from "./session.js";
import { Statements, showUndecided } from "./statements.js";
import { Trace } from "./trace.js";
import { Worklist, othersOf } from "./worklist.js";

const state = { session: null, answer: null, laboratory: false, sample: 0 };
const holter = new HolterView((seconds) => trace.goTo(seconds));
const trace = new Trace({ attempt, say, drawn: (view) => holter.draw(view) });
const statements = new Statements(by("statements"), (chosen) => trace.light(chosen));
const comparison = new ComparisonView(() => trace.settings());
const review = new ReviewView();
const worklist = new Worklist();
comparison.failed = review.failed = showProblem;
review.changed = () => attempt((session) => review.open(session, state.answer));

function say(text) { by("status").textContent = text; }

function showProblem(error) {
  const box = by("problem");
  box.hidden = !error;
  box.replaceChildren();
  if (!error) return;
  box.append(element("strong", error.message), error.remedy || "");
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

// ------------------------------------------------------------------------- one recording

// End what was asked for the recording before, and show nothing of it any more.
function clear() {
  state.session?.end();
  state.session = state.answer = null;
  for (const part of [trace, comparison, holter, review]) part.clear();
  for (const id of ["recording", "laboratory", "network", "undecided", "device-statements"]) by(id).hidden = true;
  for (const id of ["facts", "recording-title", "verdict", "provenance"]) by(id).textContent = "";
  for (const id of ["source", "measures", "laboratory-table", "table", "warnings", "statements", "earlier-kept"]) by(id).replaceChildren();
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

async function show(session) {
  await session.hold();
  session.about = await session.post("read", { samples: true });
  session.subject = await session.whose();
  showRecording(session);
  const told = (share) => say(`Interpreting … ${Math.round(100 * share)} %`);
  say("Interpreting …");
  const query = { model: session.model, lead: session.lead, format: "reading" };
  state.answer = trace.answer = await session.answer(query, told);
  showAnswer(session, state.answer);
  await holter.open(session, state.answer, say);
  trace.otherBeats = holter.beats;
  trace.draw();
  await showLaboratory(session);
  say("Done.");
}

function showRecording(session) {
  const { about } = session;
  by("recording").hidden = false;
  by("facts").textContent = facts(about);
  showHead(by("recording-title"), by("source"), about, session.subject);
  showDeviceStatements(by("device-statements"), about);
  printStamp(about, session.subject);
  trace.open(session, decodeSamples(about));
}

function showAnswer(session, answer) {
  const { reading } = answer;
  showMeasurements(by("measures"), reading.header);
  showNetwork(answer);
  statements.show(reading.statements, reading.doubt, reading.caveats);
  showUndecided(by("undecided"), reading);
  trace.draw();
  attempt(() => review.open(session, answer));
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

function compare(earlier) {
  showProblem(null);
  return attempt((session) => comparison.open(session, earlier));
}

// Keep it on the server, so that it stands in the worklist; the address then names it.
function keep() {
  return attempt(async (session) => {
    say("Keeping …");
    const { recording, job } = await getJson("/v1/recordings", {
      method: "POST", query: { diagnose: true }, files: session.files, turn: session.turn,
    });
    await ended(job, session.turn); // so that what is read, and reviewed, is the stored answer
    location.hash = `#recording/${recording}`;
  });
}

// ------------------------------------------------------------------------------- opening

function openFiles(files) {
  if (location.hash && location.hash !== "#ecg") history.pushState(null, "", "#ecg");
  showView("ecg");
  return begin({ files });
}

async function sampleFiles(name) {
  const { samples } = await getJson("/v1/samples");
  return Promise.all(samples[name].map(async (file) =>
    new File([await (await call(`/v1/samples/${name}/${file}`)).blob()], file)));
}

async function openSample(name) {
  const turn = ++state.sample;
  clear();
  say("Reading …");
  try {
    const files = await sampleFiles(name);
    if (turn === state.sample && !state.session) await openFiles(files); // else another was opened meanwhile
  } catch (error) {
    showProblem(error);
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
    one.addEventListener("click", () => openSample(one.dataset.sample));
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

// --------------------------------------------------------------------------------- views

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
  state.sample++; // a sample that is still coming is not wanted any more
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

function connect() {
  connectOpening();
  by("keep").addEventListener("click", keep);
  by("lit-clear").addEventListener("click", () => statements.unchoose());
  by("print").addEventListener("click", () => window.print());
  window.addEventListener("beforeprint", () => printStamp(state.session?.about, state.session?.subject));
  const again = () => { trace.draw(); comparison.draw(); };
  window.addEventListener("resize", again);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", again);
  window.addEventListener("hashchange", route);
  window.addEventListener("pagehide", (event) => {
    if (event.persisted) return; // the page may be shown again as it is
    state.session?.release();
  });
}

connect();
listModels().catch(showProblem);
route();
