// Can this window be read, and what should its reader know? The checks of the signal itself
// (ecgfoundry.signals.quality); all limits come with the page (FACTS.quality). Whether what can be
// read is an ECG at all is asked in recognition.js.
import { bridgeGaps, mean, median, quantile, roundHalfEven } from "./arrays.js";
import { FACTS } from "./facts.js";
import { deriveLimbLeads } from "./leads.js";
import { powerSpectrum } from "./spectrum.js";

// signals: lead -> row in mV. Returns {refusal, warnings, figures}; a notice is {code, message}.
export function assessWindow(signals, rate) {
  const limits = FACTS.quality;
  const figures = {};
  for (const [lead, row] of Object.entries(signals)) {
    const found = measureRow(row, rate);
    if (found.missing < 1) figures[lead] = found;
  }
  const all = Object.values(figures);
  if (all.length === 0) {
    return refused(figures, "missing", "every sample of every lead is missing");
  }
  const duration = Object.values(signals)[0].length / rate;
  if (duration < limits.MINIMUM_DURATION_S) {
    return refused(figures, "too-short", `the signal is ${duration.toFixed(2)} s long; at least ` +
      `${limits.MINIMUM_DURATION_S} s is needed`);
  }
  const good = Object.keys(figures).filter((lead) => isReadable(figures[lead]));
  if (good.length === 0) {
    if (all.every((found) => found.missing > limits.MAXIMUM_GAP_SHARE)) {
      return refused(figures, "missing", `more than ${percent(limits.MAXIMUM_GAP_SHARE)} of the ` +
        "samples are missing in every lead");
    }
    return refused(figures, "flat", `every lead is flat (under ` +
      `${1000 * limits.FLAT_AMPLITUDE_MV} uV from peak to peak); check the electrodes and the unit`);
  }
  const warnings = [];
  const unreadable = Object.keys(figures).filter((lead) => !good.includes(lead));
  warn(warnings, "lead-unreadable", unreadable, "flat or mostly missing, read as an absent lead");
  const above = (name, limit) => good.filter((lead) => figures[lead][name] !== null &&
    figures[lead][name] > limit);
  warn(warnings, "gaps", above("missing", 0), "samples are missing");
  warn(warnings, "flat-parts", above("flat", limits.FLAT_SHARE_WARNING),
    "flat for part of the time");
  warn(warnings, "saturation", above("saturated", limits.SATURATED_SHARE_WARNING),
    "the amplifier is saturated");
  warn(warnings, "amplitude-implausible", above("amplitude", limits.LARGE_AMPLITUDE_MV),
    `more than ${limits.LARGE_AMPLITUDE_MV} mV: check the unit and the gain`);
  warn(warnings, "low-amplitude",
    good.filter((lead) => figures[lead].amplitude < limits.LOW_AMPLITUDE_MV),
    `less than ${limits.LOW_AMPLITUDE_MV} mV`);
  warn(warnings, "noise", above("noise", limits.NOISE_SHARE_WARNING), "much power above 40 Hz");
  warn(warnings, "mains", above("mains", limits.MAINS_SHARE_WARNING), "mains interference");
  warn(warnings, "baseline-wander", above("wander", limits.WANDER_SHARE_WARNING),
    "strong baseline wander");
  const readable = Object.fromEntries(good.map((lead) => [lead, signals[lead]]));
  warnAboutLimbLeads(warnings, readable, figures, rate);
  if (rate >= limits.PACER_MINIMUM_RATE_HZ) {
    const paced = good.filter((lead) => figures[lead].spikes >= limits.PACER_SPIKE_COUNT);
    if (paced.length >= Math.min(2, good.length)) {
      warn(warnings, "pacemaker-spikes", paced,
        "narrow spikes as of a pacemaker; it changes what findings mean");
    }
  }
  return { refusal: null, warnings, figures };
}

export function isReadable(found) {
  return found.missing <= FACTS.quality.MAXIMUM_GAP_SHARE && found.amplitude !== null &&
    found.amplitude >= FACTS.quality.FLAT_AMPLITUDE_MV;
}

function refused(figures, code, message) {
  return { refusal: { code, message }, warnings: [], figures };
}

function warn(warnings, code, leads, words) {
  if (leads.length > 0) warnings.push({ code, message: `${leads.join(", ")}: ${words}`, leads });
}

function percent(share) {
  return `${Math.round(100 * share)}%`;
}

const MEASURED = FACTS.lead_metrics;

function measureRow(row, rate) {
  const limits = FACTS.quality;
  const values = Float64Array.from(row.filter((value) => !Number.isNaN(value)));
  const missing = 1 - values.length / row.length;
  const result = { missing, flat: 0, saturated: 0, low: null, middle: null, high: null,
    amplitude: null, noise: null, mains: null, wander: null, spikes: 0 };
  if (row.length - values.length > MEASURED.MOST_MISSING * row.length ||
      values.length < MEASURED.FEWEST_SAMPLES) {
    return result;
  }
  const filled = bridgeGaps(row);
  const sorted = values.slice().sort();
  [result.low, result.middle, result.high] =
    MEASURED.PERCENTILES.map((share) => quantile(sorted, share));
  result.amplitude = result.high - result.low;
  result.flat = flatShare(filled, Math.max(2, roundHalfEven(limits.FLAT_BLOCK_S * rate)));
  const run = Math.max(3, roundHalfEven(limits.SATURATED_RUN_S * rate));
  result.saturated = saturatedSamples(values, sorted, run) / values.length;
  Object.assign(result, powerShares(filled, rate));
  if (rate >= limits.PACER_MINIMUM_RATE_HZ) {
    const zeros = Float64Array.from(row, (value) => (Number.isNaN(value) ? 0 : value));
    const order = zeros.slice().sort();
    const [low, , high] = MEASURED.PERCENTILES.map((share) => quantile(order, share));
    result.spikes = countSpikes(zeros, high - low, rate);
  }
  return result;
}

function range(x, start, stop) {
  let [low, high] = [Infinity, -Infinity];
  for (let k = start; k < stop; k += 1) {
    low = Math.min(low, x[k]);
    high = Math.max(high, x[k]);
  }
  return high - low;
}

function flatShare(x, block) {
  const count = Math.floor(x.length / block);
  const limit = FACTS.quality.FLAT_AMPLITUDE_MV;
  if (count === 0) return range(x, 0, x.length) < limit ? 1 : 0;
  let flat = 0;
  for (let k = 0; k < count; k += 1) if (range(x, k * block, (k + 1) * block) < limit) flat += 1;
  return flat / count;
}

// Samples in runs exactly at the highest or lowest value.
function saturatedSamples(values, sorted, run) {
  const extremes = [sorted[sorted.length - 1], sorted[0]];
  if (extremes[0] === extremes[1]) return 0;
  let total = 0;
  for (const extreme of extremes) {
    let length = 0;
    for (let k = 0; k <= values.length; k += 1) {
      if (k < values.length && values[k] === extreme) {
        length += 1;
      } else {
        if (length >= run) total += length;
        length = 0;
      }
    }
  }
  return total;
}

function powerShares(filled, rate) {
  const n = filled.length;
  if (n < 2 * rate) return {};
  const centre = mean(filled);
  const power = powerSpectrum(filled.map((value, k) =>
    (value - centre) * (0.5 - 0.5 * Math.cos((2 * Math.PI * k) / (n - 1)))));
  let [total, upper, mains, noise] = [0, 0, 0, 0];
  power.forEach((value, k) => {
    const frequency = (k * rate) / n;
    total += value;
    if (frequency >= MEASURED.WANDER_HZ) upper += value;
    if (MEASURED.MAINS_HZ.some((hz) => Math.abs(frequency - hz) <= MEASURED.MAINS_REACH_HZ)) {
      mains += value;
    } else if (frequency > MEASURED.NOISE_HZ) {
      noise += value;
    }
  });
  if (total <= 0 || upper <= 0) return {};
  return { noise: noise / upper, mains: mains / upper, wander: 1 - upper / total };
}

// Spikes that rise and fall within a few milliseconds out of a level stretch. In the arithmetic of
// the samples (float32): those of a device lie on a grid, where ties are common.
function countSpikes(x, amplitude, rate) {
  const limits = FACTS.quality;
  const reach = Math.max(1, roundHalfEven(limits.PACER_SPIKE_S * rate));
  const tall = Math.fround(Math.max(limits.PACER_SPIKE_MV, limits.PACER_SPIKE_SHARE * amplitude));
  let [count, last] = [0, -Infinity];
  for (let k = 2 * reach; k < x.length - 2 * reach; k += 1) {
    const difference = (one, other) => Math.fround(x[one] - x[other]);
    const [rise, fall] = [difference(k, k - reach), difference(k, k + reach)];
    const height = Math.min(Math.abs(rise), Math.abs(fall));
    if (height <= tall || rise * fall <= 0) continue;
    const level = Math.max(Math.abs(difference(k - reach, k - 2 * reach)),
      Math.abs(difference(k + reach, k + 2 * reach)));
    if (level >= Math.fround(Math.fround(MEASURED.LEVEL_SHARE) * height)) continue;
    if (k - last > limits.PACER_DISTANCE_S * rate) count += 1;
    last = k;
  }
  return count;
}

function warnAboutLimbLeads(warnings, signals, figures, rate) {
  const limits = FACTS.quality;
  if ("I" in signals && "II" in signals) {
    const width = Math.max(3, roundHalfEven(limits.BASELINE_S * rate));
    const steep = (lead) => withoutBaseline(signals[lead], width);
    const derived = deriveLimbLeads({ I: steep("I"), II: steep("II") });
    const apart = Object.keys(derived).filter((lead) => lead in signals &&
      disagreement(steep(lead), derived[lead]) > limits.DISAGREEMENT_WARNING);
    warn(warnings, "leads-disagree", apart,
      "not what I and II make of them; misnamed or rescaled leads?");
  }
  const down = (lead) => figures[lead].middle - figures[lead].low >
    2 * (figures[lead].high - figures[lead].middle);
  if (!("I" in signals) || !down("I")) return;
  if ("aVR" in signals && !down("aVR")) {
    warnings.push({ code: "limb-leads-swapped", leads: ["I", "aVR"],
      message: "I points down and aVR up: arm electrodes swapped, or dextrocardia?" });
  } else if (!("aVR" in signals)) {
    warnings.push({ code: "inverted", leads: ["I"],
      message: "I: the QRS complexes point down; is the lead inverted?" });
  }
}

// Less the running mean, mirrored at the ends; a missing sample counts as 0.
function withoutBaseline(row, width) {
  const x = Float64Array.from(row, (value) => (Number.isNaN(value) ? 0 : value));
  const at = (k) => {
    const place = ((k % (2 * x.length)) + 2 * x.length) % (2 * x.length);
    return x[place < x.length ? place : 2 * x.length - 1 - place];
  };
  const before = Math.floor(width / 2);
  let sum = 0;
  for (let k = -before; k < width - before; k += 1) sum += at(k);
  return x.map((value, k) => {
    const result = value - sum / width;
    sum += at(k - before + width) - at(k - before);
    return result;
  });
}

function disagreement(given, expected) {
  const centred = (x) => {
    const middle = median(x);
    return Float64Array.from(x, (value) => value - middle);
  };
  const [one, other] = [centred(given), centred(expected)];
  const size = (x) => mean(x.map(Math.abs));
  return size(one.map((value, k) => value - other[k])) / Math.max(size(one), size(other), 1e-9);
}
