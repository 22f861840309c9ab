// From a recording to what the model says of it: windows, gate, network, calibration, findings.
import { median, roundHalfEven } from "./arrays.js";
import { FACTS } from "./facts.js";
import { judgeWindow } from "./gate.js";
import { chooseLeads, deriveLimbLeads, isLimbLead } from "./leads.js";
import { isReadable } from "./quality.js";
import { standardize } from "./recipe.js";

// Where the windows of a recording stand: [start, stop] in samples.
export function windowBounds(samples, rate, windowS) {
  const length = roundHalfEven(windowS * rate);
  if (samples <= 0) return [];
  if (samples <= length) return [[0, samples]];
  const bounds = [];
  for (;;) {
    const start = roundHalfEven(bounds.length * windowS * rate);
    if (start + length > samples) break;
    bounds.push([start, start + length]);
  }
  const remainder = samples - bounds[bounds.length - 1][1];
  if (remainder >= FACTS.windows.remainder_share * length) bounds.push([samples - length, samples]);
  return bounds;
}

// recording: {leads, rate, signals: lead -> Float32Array in mV}; network: async (rows) -> logits.
// A recording that is too long for one answer has only those of its windows.
export async function interpret(recording, model, recipe, network) {
  const samples = recording.signals[recording.leads[0]].length;
  const named = chooseLeads(model.input, recording.leads);
  const read = recording.leads.filter((lead) => named.recorded.includes(lead) ||
    (named.derived.length > 0 && isLimbLead(lead)));
  const windows = [];
  for (const [start, stop] of windowBounds(samples, recording.rate, recipe.window_s)) {
    const part = Object.fromEntries(
      read.map((lead) => [lead, recording.signals[lead].subarray(start, stop)]));
    const quality = judgeWindow(part, recording.rate);
    const refusal = quality.refusal ?? requiredLeadMissing(model.input, named, quality);
    const window = { startS: start / recording.rate, stopS: stop / recording.rate, refusal,
      warnings: quality.warnings, beats: quality.beats, logits: null, findings: null, blank: [] };
    if (refusal === null) {
      const held = inputRows(part, named, quality, model);
      window.blank = named.rows.filter((_, k) => held[k].every(Number.isNaN));
      const rows = standardize(held, recording.rate, recipe);
      window.logits = await network(rows);
      const isShort = window.stopS - window.startS <= FACTS.windows.short_share * recipe.window_s;
      window.findings = findingsOf(window.logits, isShort ? "short_window" : "window", model);
    }
    windows.push(window);
  }
  const leads = leadsReadIn(named, windows);
  const durationS = samples / recording.rate;
  const heartRateBpm = rateOf(windows, recording.rate);
  const result = { leads, durationS, windows, warnings: aboutRecording(recording, leads, model),
    heartRateBpm, refusal: null, findings: null, isLong: durationS > FACTS.windows.longest_strip_s };
  const doubt = result.isLong ? tooLittleEcg(windows) : null;
  if (doubt !== null) {
    windows.forEach((window) => Object.assign(window,
      { refusal: window.refusal ?? doubt, logits: null, findings: null }));
    result.refusal = doubt;
    return result;
  }
  const known = windows.filter((window) => window.logits !== null);
  if (known.length === 0) {
    result.refusal = windows[0]?.refusal ??
      { code: "missing", message: "the recording has no samples" };
    return result;
  }
  result.warnings.push(...mergedWarnings(windows));
  if (known.length < windows.length) {
    const first = windows.find((window) => window.refusal !== null);
    result.warnings.push({ code: "windows-refused", message: `${windows.length - known.length} ` +
      `of ${windows.length} windows could not be read: ${first.refusal.message}` });
  }
  if (!result.isLong) {
    const logits = known[0].logits.map(
      (_, k) => known.reduce((sum, window) => sum + window.logits[k], 0) / known.length);
    const level = leads.absent.length > 0 ? "reduced_leads" : "record";
    result.findings = findingsOf(logits, level, model);
  }
  const doubts = known.filter(({ warnings }) =>
    warnings.some(({ code }) => code === FACTS.gate_words.doubt_code)).length;
  if (doubts > FACTS.gate.DOUBTED_SHARE * known.length) {
    [result.findings ?? [], ...known.map(({ findings }) => findings)].flat()
      .filter(({ isPresent }) => isPresent !== null)
      .forEach((finding) => Object.assign(finding, { isPresent: null, isDoubted: true }));
  }
  return result;
}

// Leads without those that no window holds anything of: they are as absent as one that is not named.
function leadsReadIn(named, windows) {
  const answered = windows.filter(({ refusal }) => refusal === null);
  const isGone = (lead) => answered.length > 0 &&
    answered.every(({ blank }) => blank.includes(lead));
  return { rows: named.rows,
    recorded: named.recorded.filter((lead) => !isGone(lead)),
    derived: named.derived.filter((lead) => !isGone(lead)),
    absent: named.rows.filter((lead) => named.absent.includes(lead) || isGone(lead)) };
}

// A few windows of what is no ECG look like one (ecgfoundry.measurements.gate.too_little_ecg).
function tooLittleEcg(windows) {
  const foreign = windows.map(({ refusal }) => refusal)
    .filter((refusal) => refusal !== null && FACTS.gate.NO_ECG.includes(refusal.code));
  const read = windows.filter(({ refusal }) => refusal === null).length;
  const asked = read + foreign.length;
  if (foreign.length < FACTS.gate.FEWEST_FOREIGN || read === 0 ||
      read > FACTS.gate.MOST_IMITATIONS * asked) return null;
  return { code: "not-an-ecg", leads: foreign[0].leads,
    message: `only ${read} of ${asked} windows look like an ECG: ${foreign[0].message}` };
}

// 60 s over the median RR interval, as ecgfoundry.measurements.beats.heart_rate_bpm says it; a
// refused window has no rate. Of intervals within the windows, so that no edge makes a long one.
function rateOf(windows, rate) {
  const intervals = windows.filter(({ refusal }) => refusal === null).flatMap(({ beats }) =>
    beats.slice(1).map((beat, k) => beat - beats[k]));
  return intervals.length ? (60 * rate) / median(intervals) : null;
}

function requiredLeadMissing(input, leads, quality) {
  if (input.lead_mode !== "exact") return null;
  const limit = FACTS.quality.MAXIMUM_GAP_SHARE;
  const gone = leads.recorded.filter(
    (lead) => !(lead in quality.figures) || quality.figures[lead].missing > limit);
  if (gone.length === 0) return null;
  return { code: "missing",
    message: `${gone.join(", ")}: mostly missing, and the model needs it`, leads: gone };
}

// Leads that are flat or mostly missing count as absent, so that they are masked or derived.
function inputRows(part, leads, quality, model) {
  const kept = Object.keys(part).filter((lead) => model.input.lead_mode === "exact" ||
    (lead in quality.figures ? isReadable(quality.figures[lead]) :
      part[lead].some(Number.isFinite)));
  const signals = Object.fromEntries(kept.map((lead) => [lead, part[lead]]));
  const all = { ...deriveLimbLeads(signals), ...signals };
  const length = Object.values(part)[0].length;
  return leads.rows.map((lead) => all[lead] ?? new Float32Array(length).fill(NaN));
}

// Of rhythms that exclude each other only the most probable one is claimed.
function withhold(findings, groups) {
  const made = [];
  const claimed = findings.map((_, k) => k).filter((k) => findings[k].isPresent)
    .sort((one, other) => findings[other].probability - findings[one].probability);
  for (const k of claimed) {
    if (made.some((j) => groups.some((group) => group.includes(j) && group.includes(k)))) {
      findings[k].isPresent = null;
    } else {
      made.push(k);
    }
  }
}

function findingsOf(logits, level, model) {
  const levels = model.calibration ?? {};
  const chosen = levels[level] ?? levels[level === "short_window" ? "window" : "record"];
  const values = Array.from(logits, (value, k) =>
    (chosen ? value * chosen.scale[k] + chosen.offset[k] : value));
  const names = model.vocabulary.targets.map((target) => target.name);
  let probabilities;
  if (model.target_kind === "multiclass") {
    const highest = Math.max(...values);
    const powers = values.map((value) => Math.exp(value - highest));
    const sum = powers.reduce((one, other) => one + other, 0);
    probabilities = powers.map((power) => power / sum);
  } else {
    probabilities = values.map((value) => 1 / (1 + Math.exp(-value)));
  }
  const top = probabilities.indexOf(Math.max(...probabilities));
  const findings = names.map((name, k) => {
    const threshold = model.thresholds?.values[k] ?? null;
    const isPresent = model.target_kind === "multiclass" ? k === top
      : threshold === null ? null : probabilities[k] >= threshold;
    return { name, probability: probabilities[k], threshold, isPresent };
  });
  if (model.target_kind === "multilabel") withhold(findings, model.exclusive_targets);
  return findings;
}

function aboutRecording(recording, leads, model) {
  const warnings = [];
  if (model.input.lead_mode === "any-single") {
    const lead = leads.rows[0];
    const trained = model.input.leads.join(", ");
    if (recording.unnamed.includes(lead)) {
      warnings.push({ code: "lead-unnamed", message: `the file does not say which lead '${lead}' ` +
        `is; the model was trained on ${trained}` });
    } else if (!model.input.leads.includes(lead)) {
      warnings.push({ code: "lead-not-trained-on",
        message: `lead ${lead} is read; the model was trained on ${trained}` });
    }
  }
  if (leads.absent.length > 0) {
    warnings.push({ code: "leads-absent",
      message: `${leads.absent.join(", ")}: absent, masked; findings are less certain` });
  }
  if (recording.gainAssumed) {
    warnings.push({ code: "gain-assumed",
      message: "the file does not state its gain: amplitudes in mV are not to be relied on" });
  }
  return warnings;
}

// One warning per code, with all leads and the number of windows.
function mergedWarnings(windows) {
  const byCode = new Map();
  for (const { warnings } of windows) {
    for (const warning of warnings) {
      byCode.set(warning.code, [...(byCode.get(warning.code) ?? []), warning]);
    }
  }
  return [...byCode].map(([code, same]) => {
    const leads = [...new Set(same.flatMap((warning) => warning.leads))];
    let message = same[0].message;
    if (message.includes(": ")) {
      message = `${leads.join(", ")}: ${message.slice(message.indexOf(": ") + 2)}`;
    }
    if (windows.length > 1) message += ` (in ${same.length} of ${windows.length} windows)`;
    return { code, message, leads };
  });
}
