// Is this an ECG? (ecgfoundry.measurements.recognition, where the limits and their reasons stand.)
import { mean, median, roundHalfEven } from "./arrays.js";
import { detectBeats } from "./beats.js";
import { FACTS } from "./facts.js";
import { commonest, correlationsOf, cutComplexes, meanWindow, recurrenceOf } from "./likeness.js";
import { signalToNoise } from "./noise.js";
import { powerSpectrum } from "./spectrum.js";

const LIMITS = FACTS.recognition;

// rows: the readable leads. Returns {beats, reason, isDoubtful, figures, snr}; reason is null for an
// ECG, snr has dB for each lead, NaN where it is not known, or is null.
export function recognise(rows, samplingRate) {
  const found = detectBeats(rows, samplingRate);
  if (found === null || found.beats.length === 0) {
    return { beats: [], reason: "no-beats", isDoubtful: false, figures: {}, snr: null };
  }
  const { coarse, band, rate } = found;
  const beats = found.beats.map((beat) =>
    Math.min(Math.floor(beat / found.factor), coarse[0].length - 1));
  if (beats.length < 2 && coarse[0].length / rate >= LIMITS.LONG_S) {
    return { beats: found.beats, reason: "no-beats", isDoubtful: false, figures: {}, snr: null };
  }
  const { windows, kept } = cutComplexes(band, beats, roundHalfEven(LIMITS.REACH_S * rate));
  const likeness = correlationsOf(windows);
  const figures = figuresOf(found, beats, windows, kept, likeness);
  const alike = likeness.map((row) => row.map((value) => value >= LIMITS.ALIKE));
  const noise = signalToNoise(coarse, kept.map((k) => beats[k]), alike, rate);
  let snr = null;
  if (noise !== null) {
    snr = rows.map(() => NaN);
    found.places.forEach((place, k) => { snr[place] = noise[k]; });
  }
  return { beats: found.beats, ...verdictOf(figures), figures, snr };
}

function figuresOf({ coarse, band, shares, rate }, beats, windows, kept, likeness) {
  const interval = beats.length > 1
    ? median(beats.slice(1).map((beat, k) => beat - beats[k])) : (60 / LIMITS.SLOWEST_BPM) * rate;
  const result = { rate: (60 * rate) / interval, contrast: contrastOf(band, beats, rate) };
  if (windows.length === 0) return result;
  const members = commonest(likeness, LIMITS.ALIKE);
  if (windows.length > 1) {
    if (windows.length >= LIMITS.MANY_COMPLEXES) {
      result.members = members.filter(Boolean).length / windows.length;
    }
    result.likeness = median(likeness.map((row, k) => {
      const others = row.map((value, n) => (n === k ? -1 : value)).sort((a, b) => b - a);
      return others[Math.min(2, windows.length - 2)];
    }));
  }
  const alike = windows.filter((_, k) => members[k]);
  const shape = alike.length ? meanWindow(alike) : windows[0];
  result.mirror = mirrorOf(recurrenceOf(band, shape), LIMITS.EXTREMES_PER_BEAT * beats.length);
  const chosen = (alike.length ? kept.filter((_, k) => members[k]) : kept).map((k) => beats[k]);
  const half = roundHalfEven(Math.min(LIMITS.WIDE_REACH_S * rate, interval / 2));
  const wide = cutComplexes(coarse, chosen, half).windows.map((window) => window.map((row) => {
    const middle = median(row);
    return row.map((value) => value - middle);
  }));
  if (wide.length === 0) return result;
  const typical = wide[0].map((row, lead) => row.map((_, k) =>
    median(wide.map((window) => window[lead][k]))));
  return Object.assign(result, shapeOf(typical, shares, rate));
}

function mirrorOf(likeness, count) {
  const ordered = likeness.slice().sort();
  return -mean(ordered.subarray(0, count)) / Math.max(mean(ordered.subarray(-count)), 1e-9);
}

function contrastOf(band, beats, rate) {
  let [near, nearCount, away, awayCount, next] = [0, 0, 0, 0, 0];
  const samples = band[0].length;
  for (let k = 0; k < samples; k += 1) {
    while (next < beats.length && beats[next] < k) next += 1;
    const distance = Math.min(Math.abs((beats[next] ?? Infinity) - k),
      Math.abs(k - (beats[next - 1] ?? Infinity)));
    const energy = band.reduce((sum, row) => sum + row[k] ** 2, 0);
    if (distance > LIMITS.AWAY_S * rate) [away, awayCount] = [away + energy, awayCount + 1];
    if (distance <= LIMITS.NEAR_S * rate) [near, nearCount] = [near + energy, nearCount + 1];
  }
  if (awayCount < LIMITS.LEAST_AWAY * samples || !(away > 0)) return Infinity;
  return near / nearCount / (away / awayCount);
}

function shapeOf(typical, shares, rate) {
  const width = typical[0].length;
  const middle = Math.floor(width / 2);
  const reach = roundHalfEven(LIMITS.EDGE_REACH_S * rate);
  const sums = { steepness: 0, steepest: 0, balance: 0, step: 0, focus: 0, spike: 0,
    sharp_share: 0, crisp_share: 0 };
  const highest = (x) => x.reduce((one, other) => Math.max(one, other), -Infinity);
  const lowest = (x) => x.reduce((one, other) => Math.min(one, other), Infinity);
  typical.forEach((row, lead) => {
    const height = Math.max(highest(row) - lowest(row), 1e-30);
    const slope = row.subarray(1).map((value, k) => (value - row[k]) * rate);
    const near = slope.subarray(Math.max(0, middle - reach), middle + reach);
    const [one, other] = [highest(near), -lowest(near)];
    const steepest = Math.max(one, other);
    const less = Math.max(Math.min(one, other), 0);
    const before = median(row.subarray(0, Math.max(1, middle - reach)));
    const after = median(row.subarray(Math.min(middle + reach, width - 1)));
    const span = Math.min(roundHalfEven(LIMITS.FOCUS_S * rate), slope.length);
    const total = [0];
    slope.forEach((value) => total.push(total[total.length - 1] + value ** 2));
    const most = (width) => {
      let best = -Infinity;
      for (let k = width; k < total.length; k += 1) {
        best = Math.max(best, total[k] - total[k - width]);
      }
      return best / Math.max(total[total.length - 1], 1e-30);
    };
    const short = Math.min(Math.max(1, roundHalfEven(LIMITS.SPIKE_S * rate)), slope.length);
    const centre = mean(row);
    const power = powerSpectrum(row.map((value, k) =>
      (value - centre) * (0.5 - 0.5 * Math.cos((2 * Math.PI * k) / (width - 1)))));
    let [all, sharp, crisp] = [0, 0, 0];
    const [slow, fast, faster] = LIMITS.SHARES_FROM_HZ;
    power.forEach((value, k) => {
      const frequency = (k * rate) / width;
      if (frequency >= slow) all += value;
      if (frequency >= fast) sharp += value;
      if (frequency >= faster) crisp += value;
    });
    const share = shares[lead];
    sums.steepness += (less / height) * share;
    sums.steepest += (steepest / height) * share;
    sums.balance += (less / Math.max(steepest, 1e-30)) * share;
    sums.step += (Math.abs(before - after) / height) * share;
    sums.focus += most(span) * share;
    sums.spike += most(short) * share;
    sums.sharp_share += (sharp / Math.max(all, 1e-30)) * share;
    sums.crisp_share += (crisp / Math.max(all, 1e-30)) * share;
  });
  return sums;
}

// reason: the limit that is broken, or "shape", where the trees do not know better; isDoubtful:
// nothing is refused and the trees are not sure.
function verdictOf(figures) {
  const broken = brokenLimit(figures);
  if (broken === "no-beats") return { reason: broken, isDoubtful: false };
  const odds = oddsOf(LIMITS.FIGURES.map((name) =>
    Math.fround(Math.min(figures[name] ?? 1, LIMITS.MOST_FIGURE))));
  const unforgivable = "members" in figures && figures.likeness < LIMITS.NOTHING_RECURS;
  const reason = broken === null ? (odds < LIMITS.DOUBTED ? "shape" : null)
    : (odds >= LIMITS.FORGIVEN && !unforgivable ? null : broken);
  const isExcepted = (figures.members ?? 1) < LIMITS.SEVERAL_SHAPES ||
    figures.contrast >= LIMITS.SILENCE;
  return { reason, isDoubtful: reason === null && odds < LIMITS.UNSURE && !isExcepted };
}

// The log-odds of boosted trees (ecgfoundry.measurements.trees).
function oddsOf(values) {
  const { feature, threshold, leaf, start, scale, offset } = FACTS.recognition_trees;
  let sum = start;
  leaf.forEach((leaves, tree) => {
    let node = 0;
    while (node < feature[tree].length) {
      node = 2 * node + 1 + (values[feature[tree][node]] > threshold[tree][node] ? 1 : 0);
    }
    sum += leaves[node - feature[tree].length];
  });
  return scale * sum + offset;
}

// The first limit that is broken.
function brokenLimit(figures) {
  if (!("steepness" in figures)) return "no-beats";
  const isRocking = figures.mirror > LIMITS.ROCKING_MIRROR && figures.focus < LIMITS.ROCKING_FOCUS;
  if (figures.mirror > LIMITS.MOST_MIRROR || isRocking) return "mirror";
  if ((figures.likeness ?? 1) < LIMITS.LEAST_LIKENESS ||
      (figures.members ?? 1) < LIMITS.LEAST_MEMBERS) return "unlike";
  const [sharp, crisp] = [figures.sharp_share, figures.crisp_share];
  if ((sharp > LIMITS.SPIKE_SHARP && figures.spike > LIMITS.SPIKE_SLOPE) ||
      (sharp > LIMITS.VIBRATION_SHARP && figures.focus < LIMITS.VIBRATION_FOCUS)) {
    return "spikes";
  }
  const { contrast, step, focus, steepness, rate } = figures;
  if (rate > LIMITS.FASTEST_BPM || contrast < LIMITS.LEAST_CONTRAST_OF_ALL) return "spread";
  const isFast = rate > LIMITS.FAST_BPM;
  const isRectangle = figures.steepest > LIMITS.EDGE_STEEPNESS && focus < LIMITS.EDGE_FOCUS;
  if (step > (isFast ? LIMITS.FAST_STEP : LIMITS.MOST_STEP) || isRectangle) return "steps";
  const isPulse = sharp < LIMITS.PULSE_SHARE && crisp < LIMITS.PULSE_CRISP &&
    step > LIMITS.PULSE_STEP && rate > LIMITS.PULSE_BPM;
  const isLines = sharp > LIMITS.LINES_SHARE && crisp < LIMITS.LINES_CRISP * sharp &&
    focus < LIMITS.LINES_FOCUS;
  const isRounded = sharp < LIMITS.ROUND_SHARE && crisp < LIMITS.ROUND_CRISP &&
    focus < LIMITS.ROUND_FOCUS;
  const isSmooth = sharp < LIMITS.SMOOTH_SHARE &&
    steepness < LIMITS.SMOOTH_STEEPNESS;
  const balance = focus >= LIMITS.SHARP_FOCUS ? LIMITS.SHARP_BALANCE : LIMITS.LEAST_BALANCE;
  if (steepness < (isFast ? LIMITS.FAST_STEEPNESS : LIMITS.LEAST_STEEPNESS) ||
      figures.balance < balance || isLines || ((isPulse || isRounded) && !isFast) ||
      (isSmooth && !isFast && (step > LIMITS.SMOOTH_STEP || contrast > LIMITS.LEAST_CONTRAST))) {
    return "one-sided";
  }
  if (focus < LIMITS.LEAST_FOCUS_OF_ALL) return "spread";
  const isWalk = rate < LIMITS.WALKING_BPM && contrast < LIMITS.WALKING_CONTRAST;
  const isLow = contrast < LIMITS.LEAST_CONTRAST && step > LIMITS.SPREAD_STEP && !isFast;
  return focus < LIMITS.LEAST_FOCUS && (isLow || isWalk) ? "spread" : null;
}
