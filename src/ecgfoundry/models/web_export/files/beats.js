// Where the QRS complexes are (ecgfoundry.measurements.beats, step by step; why it is done so is
// written there). The limits come with the page (FACTS.beats).
import { bridgeGaps, mean, median, quantile, roundHalfEven } from "./arrays.js";
import { FACTS } from "./facts.js";
import { designBandPass, filterZeroPhase } from "./filter_design.js";
import { commonest, correlationsOf, cutComplexes, meanWindow, recurrenceOf } from "./likeness.js";

const LIMITS = FACTS.beats;

// rows: leads, NaN = missing. Returns null where nothing can be looked for, else
// {beats, coarse, band, shares, places, factor, rate}.
export function detectBeats(rows, samplingRate) {
  const places = rows.map((_, k) => k).filter((k) => isUsable(rows[k]));
  if (places.length === 0 || rows[0].length < LIMITS.SHORTEST_S * samplingRate ||
      samplingRate < 25) {
    return null;
  }
  const chosen = places.map((k) => rows[k]);
  const filled = chosen.map(bridgeGaps);
  const factor = Math.max(1, Math.floor(samplingRate / LIMITS.WORKING_RATE_HZ));
  const coarse = filled.map((row) => averaged(row, factor));
  const rate = samplingRate / factor;
  const band = inBand(coarse, rate);
  const joined = slopeEnergy(band, rate);
  if (joined === null) return null;
  const { feature, blocks } = joined;
  const shares = blocks.map(mean);
  const sizes = band.map(typicalHeight);
  const weights = (beats) => blocks.map((row, k) =>
    beats.map((beat) => Math.sqrt(betweenBlocks(row, beat, rate)) / sizes[k]));
  const level = levelOf(feature, rate);
  const usual = median(feature);
  const out = Array.from(level, (value) => value > LIMITS.PEAKEDNESS * usual);
  const steady = decide(feature, level, out, rate, LIMITS.REFRACTORY_S);
  let beats = refine(filled, steady, band, weights(steady), factor, samplingRate);
  const scaled = band.map((row, k) => row.map((v) => (v * Math.sqrt(shares[k])) / sizes[k]));
  if (out.includes(false)) {
    const other = out.map((value) => !value);
    const candidates = decide(feature, level, other, rate, LIMITS.FAST_REFRACTORY_S);
    const ripple = other.map((value, k) => value && level[k] >= LIMITS.FAST_RIPPLE * usual);
    const fast = stretchesOf(ripple, rate).flatMap((stretch) =>
      recurring(coarse, scaled, shares, candidates, stretch, rate));
    beats = union(beats, sharpen(filled, fast, weights(fast), factor, samplingRate));
  }
  beats = beats.filter((beat) => chosen.some((row) => !Number.isNaN(row[beat])));
  return { beats, coarse, band: scaled, shares, places, factor, rate };
}

function isUsable(row) {
  const finite = row.filter((value) => !Number.isNaN(value));
  if (finite.length < (1 - LIMITS.MOST_MISSING) * row.length || finite.length === 0) return false;
  return finite.some((value) => value !== finite[0]);
}

function averaged(row, factor) {
  if (factor === 1) return row;
  const result = new Float64Array(Math.floor(row.length / factor));
  return result.map((_, k) => mean(row.subarray(k * factor, (k + 1) * factor)));
}

function inBand(rows, rate) {
  const [low, high] = LIMITS.BAND_HZ;
  const filter = designBandPass(2, low, Math.min(high, 0.4 * rate), rate);
  const pad = Math.min(rows[0].length - 1, roundHalfEven(rate));
  return rows.map((row) => {
    const middle = median(row);
    return filterZeroPhase(row.map((value) => value - middle), { ...filter, pad });
  });
}

// Running mean, mirrored at the ends.
function smoothed(x, width) {
  const n = x.length;
  const at = (k) => x[k < 0 ? Math.min(-k - 1, n - 1) : k >= n ? Math.max(2 * n - 1 - k, 0) : k];
  const before = Math.floor(width / 2);
  return x.map((_, k) => {
    let sum = 0;
    for (let m = k - before; m < k - before + width; m += 1) sum += at(m);
    return sum / width;
  });
}

function slopeEnergy(band, rate) {
  const samples = band[0].length;
  const energy = band.map((row) => {
    const slope = row.map((_, k) => {
      const [before, after] = [Math.max(k - 1, 0), Math.min(k + 1, samples - 1)];
      return (row[after] - row[before]) / (after - before);
    });
    const square = slope.map((value) => value ** 2);
    const once = smoothed(square, Math.max(1, roundHalfEven(LIMITS.SMOOTHING_S * rate)));
    return smoothed(once, Math.max(1, roundHalfEven(0.05 * rate)));
  });
  const maxima = energy.map((row) => blockMaxima(row, rate));
  const usual = maxima.map(median);
  const highest = band.map((row) => row.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  const usable = band.map((_, k) => k).filter((k) => usual[k] > 1e-24 &&
    usual[k] > LIMITS.LEAST_SLOPE_SHARE * Math.max(highest[k], 1e-30) ** 2);
  if (usable.length === 0) return null;
  const weights = maxima.map((row) => new Float64Array(row.length));
  const [total, height, together] = [0, 1, 2].map(() => new Float64Array(samples));
  for (const k of usable) {
    const levels = runningMedian(maxima[k], LIMITS.REACH);
    const around = energy[k].map((_, n) =>
      Math.max(betweenBlocks(levels, n, rate), LIMITS.LEAST_AROUND * usual[k]));
    const relative = energy[k].map((value, n) => value / around[n]);
    weights[k] = runningMedian(blockFloors(relative, rate), LIMITS.REACH)
      .map((floor) => (floor + LIMITS.FLOOR_OFFSET) ** -2);
    for (let n = 0; n < samples; n += 1) {
      const weight = betweenBlocks(weights[k], n, rate);
      total[n] += weight * relative[n];
      height[n] += (weight * around[n]) / usual[k];
      together[n] += weight;
    }
  }
  const feature = total.map((value, n) =>
    Math.sqrt(Math.max((value * height[n]) / together[n] ** 2, 0)));
  const blocks = weights.map((row) => row.map((value, n) =>
    value / weights.reduce((sum, one) => sum + one[n], 0)));
  return { feature, blocks };
}

function hopOf(rate) {
  return Math.max(1, roundHalfEven((LIMITS.LEVEL_BLOCK_S * rate) / 2));
}

function pairsOfHops(feature, rate, whole, ofHop, joined) {
  const hop = hopOf(rate);
  const hops = Math.floor(feature.length / hop);
  if (hops < 2) return Float64Array.of(whole(feature));
  const each = Array.from({ length: hops }, (_, k) =>
    ofHop(feature.subarray(k * hop, (k + 1) * hop)));
  return Float64Array.from(each.slice(1), (value, k) => joined(each[k], value));
}

function blockMaxima(feature, rate) {
  const highest = (x) => x.reduce((one, other) => Math.max(one, other));
  return pairsOfHops(feature, rate, highest, highest, Math.max);
}

function blockFloors(feature, rate) {
  return pairsOfHops(feature, rate, median, median, (one, other) => (one + other) / 2);
}

// The value of blocks at a sample, linear between the blocks' centres.
function betweenBlocks(blocks, place, rate) {
  const at = Math.min(Math.max(place / hopOf(rate) - 1, 0), blocks.length - 1);
  const left = Math.floor(at);
  const right = Math.min(left + 1, blocks.length - 1);
  return blocks[left] + (blocks[right] - blocks[left]) * (at - left);
}

function runningMedian(values, reach) {
  const size = values.length;
  const place = (k) => {
    if (size <= reach) return Math.min(Math.max(k, 0), size - 1);
    const mirrored = Math.abs(k);
    return mirrored >= size ? 2 * (size - 1) - mirrored : mirrored;
  };
  return Float64Array.from(values, (_, k) => median(
    Array.from({ length: 2 * reach + 1 }, (__, m) => values[place(k - reach + m)])));
}

function levelOf(feature, rate) {
  const maxima = blockMaxima(feature, rate);
  const wide = runningMedian(maxima, LIMITS.PAUSE_REACH_BLOCKS);
  const level = runningMedian(maxima, LIMITS.REACH)
    .map((value, k) => Math.max(value, LIMITS.PAUSE_SHARE * wide[k]));
  return feature.map((_, n) => betweenBlocks(level, n, rate));
}

// Local maxima at least so high and so far apart, the higher first (scipy.signal.find_peaks);
// beyond the ends everything is lower.
function findPeaks(x, distance, least = -Infinity) {
  const peaks = [];
  for (let k = 0; k < x.length; k += 1) {
    if (k > 0 && x[k - 1] >= x[k]) continue;
    let end = k;
    while (end + 1 < x.length && x[end + 1] === x[k]) end += 1;
    if ((end === x.length - 1 || x[end + 1] < x[k]) && x[k] >= least) peaks.push((k + end) >> 1);
    k = end;
  }
  const kept = peaks.map(() => true);
  const order = peaks.map((_, k) => k).sort((one, other) => x[peaks[other]] - x[peaks[one]] ||
    other - one);
  for (const k of order) {
    if (!kept[k]) continue;
    for (let j = k - 1; j >= 0 && peaks[k] - peaks[j] < distance; j -= 1) kept[j] = false;
    for (let j = k + 1; j < peaks.length && peaks[j] - peaks[k] < distance; j += 1) kept[j] = false;
  }
  return peaks.filter((_, k) => kept[k]);
}

function decide(feature, level, where, rate, refractoryS) {
  const candidates = findPeaks(feature, Math.max(1, roundHalfEven(refractoryS * rate)))
    .filter((peak) => feature[peak] > 0 && where[peak] && level[peak] > 0 &&
      feature[peak] > LIMITS.SEARCH_SHARE * level[peak])
    .map((place) => ({ place, height: feature[place], reference: level[place] }));
  const strong = candidates.map((_, k) => k)
    .filter((k) => candidates[k].height > LIMITS.PRIMARY_SHARE * candidates[k].reference);
  let found = withoutExtra(candidates, withoutTWaves(candidates, strong, rate));
  if (found.length >= 3) found = searchPauses(candidates, found, rate);
  return found.map((k) => candidates[k].place);
}

function withoutTWaves(peaks, strong, rate) {
  let last = { place: -Infinity, height: 0 };
  return strong.filter((k) => {
    const isTWave = peaks[k].place - last.place < LIMITS.T_WAVE_S * rate &&
      peaks[k].height < LIMITS.T_WAVE_SHARE * last.height;
    if (!isTWave) last = peaks[k];
    return !isTWave;
  });
}

function withoutExtra(peaks, found) {
  const high = found.filter((k) => peaks[k].height > LIMITS.LOW_SHARE * peaks[k].reference);
  if (high.length < 4 || high.length === found.length) return found;
  const intervals = differences(high.map((k) => peaks[k].place));
  const usual = runningMedian(intervals, 8);
  const inside = differences(high.map((k) => found.indexOf(k))).map((step) => step > 1);
  const dropped = new Set();
  inside.forEach((isInside, n) => {
    let common = 0;
    for (let m = n - 8; m <= n + 8; m += 1) {
      common += inside[Math.min(Math.max(m, 0), inside.length - 1)] ? 1 / 17 : 0;
    }
    if (!isInside || common >= LIMITS.LOW_COMMON) return;
    if (intervals[n] >= LIMITS.LOW_EXTRA * usual[n]) return;
    found.filter((k) => k > high[n] && k < high[n + 1]).forEach((k) => dropped.add(k));
  });
  return found.filter((k) => !dropped.has(k));
}

function differences(values) {
  return values.slice(1).map((value, k) => value - values[k]);
}

function searchPauses(peaks, found, rate) {
  const intervals = differences(found.map((k) => peaks[k].place));
  const usual = runningMedian(intervals, 4);
  const added = [];
  intervals.forEach((interval, n) => {
    if (interval <= LIMITS.SEARCH_PAUSE * usual[n]) return;
    let before = found[n];
    const after = found[n + 1];
    const end = peaks[after].place;
    for (;;) {
      const begin = peaks[before].place;
      let best = null;
      for (let k = before + 1; k < after; k += 1) {
        const fits = peaks[k].place - begin > LIMITS.T_WAVE_S * rate &&
          end - peaks[k].place > LIMITS.REFRACTORY_S * rate;
        if (fits && (best === null || peaks[k].height > peaks[best].height)) best = k;
      }
      if (best === null || end - begin <= LIMITS.SEARCH_PAUSE * usual[n]) break;
      added.push(best);
      before = best;
    }
  });
  return union(found, added);
}

function union(one, other) {
  return [...new Set([...one, ...other])].sort((a, b) => a - b);
}

function stretchesOf(where, rate) {
  const stretches = [];
  let start = null;
  for (let k = 0; k <= where.length; k += 1) {
    if (where[k] && start === null) start = k;
    if (!where[k] && start !== null) {
      if (k - start >= LIMITS.LEVEL_BLOCK_S * rate) stretches.push([start, k]);
      start = null;
    }
  }
  return stretches;
}

function recurring(coarse, band, shares, candidates, [start, stop], rate) {
  const scaled = band.map((row) => row.subarray(start, stop));
  const places = candidates.filter((k) => k >= start && k < stop).map((k) => k - start);
  const reach = roundHalfEven(LIMITS.FAST_REACH_S * rate);
  const every = Math.max(1, Math.floor(places.length / LIMITS.FAST_MEMBERS));
  let { windows } = cutComplexes(scaled, places.filter((_, k) => k % every === 0), reach);
  const likeness = new Float64Array(stop - start).fill(-1);
  for (let n = 0; n < LIMITS.FAST_SHAPES && windows.length >= LIMITS.FAST_FEWEST; n += 1) {
    const chosen = commonest(correlationsOf(windows), LIMITS.FAST_LIKENESS);
    const members = windows.filter((_, k) => chosen[k]);
    const shape = members.length ? meanWindow(members) : windows[0];
    const here = recurrenceOf(scaled, shape);
    const sorted = here.slice().sort();
    if (-quantile(sorted, 0.01) <= LIMITS.FAST_MIRROR * quantile(sorted, 0.99)) {
      here.forEach((value, k) => { likeness[k] = Math.max(likeness[k], value); });
    }
    const like = correlationsOf([shape, ...windows])[0].slice(1);
    const limit = Math.min(LIMITS.FAST_LIKENESS, Math.max(...like));
    windows = windows.filter((_, k) => like[k] < limit);
  }
  const apart = Math.max(1, roundHalfEven(LIMITS.FAST_REFRACTORY_S * rate));
  let beats = findPeaks(likeness, apart, LIMITS.FAST_LIKENESS);
  if (beats.length < LIMITS.FAST_FEWEST) return [];
  const intervals = differences(beats);
  const usual = median(intervals);
  const covered = intervals.filter((interval) => interval <= 1.5 * usual)
    .reduce((sum, interval) => sum + interval, 0);
  if (covered < LIMITS.FAST_SHARE * (stop - start) ||
      beats.length < LIMITS.FAST_OF_CANDIDATES * places.length) {
    return [];
  }
  const alone = places.filter((place) => likeness[place] >= LIMITS.FAST_LEAST_LIKENESS &&
    beats.every((beat) => Math.abs(place - beat) > LIMITS.FAST_ALONE * usual));
  beats = union(beats, alone);
  return toThePeak(coarse.map((row) => row.subarray(start, stop)), beats, shares)
    .map((beat) => beat + start);
}

function toThePeak(coarse, beats, shares) {
  const half = Math.max(1, Math.floor(Math.floor(median(differences(beats))) / 2));
  const { windows } = cutComplexes(coarse, beats, half);
  if (windows.length === 0) return beats;
  const total = new Float64Array(2 * half + 1);
  meanWindow(windows).forEach((row, k) => {
    const middle = median(row);
    const centred = row.map((value) => value - middle);
    const size = Math.max(centred.reduce((most, v) => Math.max(most, Math.abs(v)), 0), 1e-30);
    centred.forEach((value, n) => { total[n] += (value / size) ** 2 * shares[k]; });
  });
  const move = highestAt(total) - half;
  return beats.map((beat) => Math.min(Math.max(beat + move, 0), coarse[0].length - 1));
}

function highestAt(values) {
  let best = 0;
  for (let k = 1; k < values.length; k += 1) if (values[k] > values[best]) best = k;
  return best;
}

function typicalHeight(row) {
  const count = Math.max(1, Math.floor(row.length / 50));
  const squares = row.map((value) => value ** 2).sort();
  return Math.max(Math.sqrt(median(squares.subarray(squares.length - count))), 1e-12);
}

// The place of the highest sum of squares around each beat; weights are (leads, beats).
function largestNear(rows, beats, weights, reach) {
  const last = rows[0].length - 1;
  return beats.map((beat, n) => {
    const places = Array.from({ length: 2 * reach + 1 }, (_, m) =>
      Math.min(Math.max(beat - reach + m, 0), last));
    return places[highestAt(places.map((place) => rows.reduce(
      (sum, row, k) => sum + (row[place] * weights[k][n]) ** 2, 0)))];
  });
}

function refine(filled, beats, band, weights, factor, rate) {
  const reach = Math.max(1, roundHalfEven((LIMITS.REFINE_S * rate) / factor));
  return sharpen(filled, largestNear(band, beats, weights, reach), weights, factor, rate);
}

function sharpen(filled, beats, weights, factor, rate) {
  const last = filled[0].length - 1;
  const fine = Math.max(1, roundHalfEven(0.02 * rate));
  const around = Math.max(fine + 1, roundHalfEven(0.1 * rate));
  const moved = beats.map((beat, n) => {
    const middle = beat * factor + Math.floor(factor / 2);
    const place = (m) => Math.min(Math.max(middle + m, 0), last);
    const centres = filled.map((row) => median(
      Array.from({ length: 2 * around + 1 }, (_, m) => row[place(m - around)])));
    const near = Array.from({ length: 2 * fine + 1 }, (_, m) => place(m - fine));
    return near[highestAt(near.map((at) => filled.reduce(
      (sum, row, k) => sum + ((row[at] - centres[k]) * weights[k][n]) ** 2, 0)))];
  });
  return union(moved, []);
}
