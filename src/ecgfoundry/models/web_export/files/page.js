// The page: files in, the ECG, the findings and what is to be known about them out.
import { FACTS } from "./facts.js";
import { interpret } from "./interpretation.js";
import { openNetwork } from "./network.js";
import { drawPaper, stretchSeconds } from "./paper.js";
import { readRecording } from "./reading.js";

const CARD_MM = 85.6; // ISO/IEC 7810 ID-1
const byId = (id) => document.getElementById(id);
let network = null;
let dropped = [];
let shown = null;
let turn = 0; // of the files opened last: what comes late of earlier ones is not shown

function say(words, state = "busy") {
  byId("status").textContent = words;
  byId("status").className = state;
}

function element(tag, text, className = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = className;
  return made;
}

function givenOptions() {
  const leads = byId("leads").value.split(",").map((name) => name.trim()).filter(Boolean);
  const rate = byId("rate").value.trim();
  return { leads: leads.length ? leads : null, rate: rate ? Number(rate) : null,
    unit: byId("unit").value || null };
}

async function open(files) {
  dropped = files;
  shown = null;
  turn += 1;
  const mine = turn;
  byId("answer").hidden = true;
  try {
    say("Reading …");
    const read = await Promise.all(files.map(async (file) => (
      { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) })));
    const recording = readRecording(read, givenOptions());
    say("Computing …");
    await new Promise((resolve) => { setTimeout(resolve); }); // let the words appear
    network ??= openNetwork(FACTS.model);
    const run = await network;
    const begun = performance.now();
    const result = await interpret(recording, FACTS.model, FACTS.recipe, run);
    if (mine !== turn) return;
    const { name } = files.find((file) => /\.hea$/i.test(file.name)) ?? files[0];
    shown = { recording, result, file: name, seconds: (performance.now() - begun) / 1000 };
    show();
    say("Done.", "done");
  } catch (error) {
    if (mine !== turn) return;
    say(`${files.map((file) => file.name).join(", ")}: ${error.message}`, "fault");
  }
}

function show() {
  const { recording, result, file, seconds } = shown;
  byId("answer").hidden = false;
  byId("file").textContent = `${file}: ${recording.format}, ${recording.leads.join(" ")}, ` +
    `${recording.rate} Hz, ${result.durationS.toFixed(1)} s. Computed in ${seconds.toFixed(2)} s.`;
  byId("refusal").hidden = result.refusal === null;
  byId("refusal").textContent = result.refusal ? `Refused: ${result.refusal.message}.` : "";
  byId("warnings").replaceChildren(...result.warnings.map(({ code, message }) => {
    const line = element("li", message);
    line.dataset.code = code;
    return line;
  }));
  byId("no-warnings").hidden = result.warnings.length > 0 || result.refusal !== null;
  byId("rate-words").textContent = result.heartRateBpm === null ? "Heart rate: not known."
    : `Heart rate ${Math.round(result.heartRateBpm)}/min.`;
  showFindings(result);
  const last = Math.max(0, result.durationS - stretchSeconds());
  byId("from").max = last.toFixed(1);
  byId("from").value = "0";
  byId("from").parentElement.hidden = last === 0;
  byId("save").href = savedResult();
  byId("save").download = `${file.replace(/\.[^.]*$/, "")}.findings.json`;
  draw();
}

const DOUBTED = "not decided: this may be no ECG";

function verdictOf({ isPresent, isDoubted, threshold }) {
  if (isDoubted) return DOUBTED;
  if (isPresent === null) return threshold === null ? "" : "not claimed: another rhythm is likelier";
  if (FACTS.model.target_kind === "multiclass") return isPresent ? "most probable" : "";
  return isPresent ? "present" : "not present";
}

function showFindings(result) {
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  const rows = (result.findings ?? []).map((finding) => {
    const row = element("tr", "", finding.isPresent ? "present" : "");
    row.append(element("th", finding.name), element("td", percent(finding.probability)),
      element("td", finding.threshold === null ? "" : percent(finding.threshold)),
      element("td", verdictOf(finding)));
    return row;
  });
  byId("findings").hidden = rows.length === 0;
  byId("findings").tBodies[0].replaceChildren(...rows);
  const several = result.windows.length > 1;
  byId("windows").hidden = !several;
  byId("windows-words").textContent = result.isLong
    ? "A recording beyond a minute has no averaged answer: each window for itself."
    : "Each window for itself; the answer above is of their mean.";
  byId("window-list").replaceChildren(...(several ? result.windows : []).map((window) => {
    const what = window.refusal ? `refused: ${window.refusal.message}`
      : window.findings.filter((finding) => finding.isPresent)
        .map((finding) => `${finding.name} ${percent(finding.probability)}`).join(", ") ||
        (window.findings.some(({ isDoubted }) => isDoubted) ? DOUBTED : "nothing");
    return element("li", `${window.startS.toFixed(1)} to ${window.stopS.toFixed(1)} s: ${what}`);
  }));
}

function savedResult() {
  const { result, file, recording } = shown;
  const said = { file, model: FACTS.model.name, version: FACTS.model.version,
    format: recording.format, sampling_rate: recording.rate, leads: recording.leads, ...result };
  const old = byId("save").href;
  if (old.startsWith("blob:")) URL.revokeObjectURL(old);
  return URL.createObjectURL(new Blob([JSON.stringify(said, null, 1)], { type: "application/json" }));
}

function draw() {
  const pixelsPerMm = Number(byId("scale").value);
  byId("card").style.width = `${CARD_MM * pixelsPerMm}px`;
  if (shown) drawPaper(byId("paper"), shown.recording, Number(byId("from").value), pixelsPerMm);
}

function start() {
  const { model } = FACTS;
  byId("title").textContent = model.title;
  byId("model").textContent = `${model.name} ${model.version}`;
  byId("use").textContent = model.intended_use;
  byId("licence").textContent = model.licence;
  byId("failures").replaceChildren(...model.known_failures.map((words) => element("li", words)));
  byId("files").addEventListener("change", ({ target }) => {
    const files = [...target.files];
    target.value = ""; // so that the same file may be chosen again
    if (files.length) open(files);
  });
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) open([...event.dataTransfer.files]);
  });
  byId("again").addEventListener("click", () => { if (dropped.length) open(dropped); });
  byId("from").addEventListener("input", draw);
  byId("scale").addEventListener("input", draw);
  draw();
}

start();
