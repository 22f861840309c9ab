// Noise within the band of the ECG: how far the heartbeats stand out from what does not recur
// (ecgfoundry.measurements.noise).
import { median, roundHalfEven } from "./arrays.js";
import { FACTS } from "./facts.js";
import { designBandPass, filterZeroPhase } from "./filter_design.js";

const LIMITS = FACTS.noise;

// Decibels of each lead, or null with too few beats; alike is (beats, beats).
export function signalToNoise(coarse, beats, alike, rate) {
  const samples = coarse[0].length;
  if (beats.length < LIMITS.FEWEST_BEATS) return null;
  const interval = median(beats.slice(1).map((beat, k) => beat - beats[k]));
  const before = roundHalfEven(Math.min(LIMITS.BEFORE_S * rate, LIMITS.BEFORE_SHARE * interval));
  const after = roundHalfEven(Math.min(LIMITS.AFTER_S * rate, LIMITS.AFTER_SHARE * interval));
  const inside = beats.map((_, k) => k)
    .filter((k) => beats[k] >= before && beats[k] < samples - after);
  if (inside.length < LIMITS.FEWEST_BEATS) return null;
  const [low, high] = LIMITS.NOISE_BAND_HZ;
  const filter = designBandPass(LIMITS.FILTER_ORDER, low, Math.min(high, LIMITS.MOST_OF_RATE * rate), rate);
  const other = othersOf(inside.map((k) => inside.map((n) => alike[k][n])));
  const reach = roundHalfEven(LIMITS.NEIGHBOUR_S * rate);
  const width = before + after + 1;
  // Samples of every piece that are not near to the beat before or after.
  const free = inside.map((k) => Array.from({ length: width }, (_, m) => {
    const place = beats[k] - before + m;
    return place > (beats[k - 1] ?? -Infinity) + reach && place < (beats[k + 1] ?? Infinity) - reach;
  }));
  const count = free.map((_, k) => free[k].map((__, m) =>
    free.reduce((sum, one, n) => sum + (other[k][n] && one[m] ? 1 : 0), 0)));
  const compared = free.map((row, k) => row.map((isFree, m) => isFree && count[k][m] >= 1 &&
    Math.abs(m - before) > LIMITS.QRS_S * rate));
  const comparedCount = compared.flat().filter(Boolean).length;
  if (comparedCount === 0) return null;
  return coarse.map((row) => {
    const middle = median(row);
    const band = filterZeroPhase(row.map((value) => value - middle), filter);
    const power = band.reduce((sum, value) => sum + value ** 2, 0) / samples;
    const piece = (k, m) => (free[k][m] ? band[beats[inside[k]] - before + m] : 0);
    let noise = 0;
    compared.forEach((marks, k) => marks.forEach((isCompared, m) => {
      if (!isCompared) return;
      const expected = free.reduce(
        (sum, _, n) => sum + (other[k][n] ? piece(n, m) : 0), 0) / count[k][m];
      noise += (piece(k, m) - expected) ** 2 / (1 + 1 / count[k][m]);
    }));
    noise /= comparedCount;
    const [lowest, highest] = [LIMITS.LOWEST_DB, LIMITS.HIGHEST_DB].map((db) => 10 ** (db / 10));
    const ratio = (power - noise) / Math.max(noise, power / highest + 1e-300);
    return 10 * Math.log10(Math.min(Math.max(ratio, lowest), highest));
  });
}

// Which beats each is compared with: those of its shape but itself; all if none has another.
function othersOf(alike) {
  const other = alike.map((row, k) => row.map((value, n) => value && n !== k));
  if (other.some((row) => row.includes(true))) return other;
  return alike.map((row, k) => row.map((_, n) => n !== k));
}
