// From a raw window to the model's input: runs the steps of preprocessing.json.
import { bridgeGaps, isMissingThroughout, mean, roundHalfEven } from "./arrays.js";
import { designBandPass, designNotch, designOneSided, filterZeroPhase } from "./filter_design.js";
import { resampleLinear, resamplePolyphase } from "./resampling.js";

// rows: one array per lead in mV, NaN = missing, in the order of the model, at most one window
// long. Returns one Float32Array per lead, null for a lead that is missing throughout.
export function standardize(rows, samplingRate, recipe) {
  const length = rows[0].length;
  if (length > roundHalfEven(recipe.window_s * samplingRate)) {
    throw new Error("the window is too long: cut the recording first");
  }
  const samples = roundHalfEven(recipe.sampling_rate_hz * recipe.window_s);
  const present = rows.filter((row) => !isMissingThroughout(row));
  if (present.length === 0) return rows.map(() => null);
  const gaps = present.map((row) => Array.from(row, Number.isNaN));
  let x = present.map((row) => Float64Array.from(row));
  let rate = samplingRate;
  const padded = (row) => padRow(row, recipe.padding, samples);
  for (const step of recipe.steps) {
    switch (step.step) {
      case "fill-gaps":
        x = x.map((row) => (step.method === "line"
          ? bridgeGaps(row) : row.map((value) => (Number.isNaN(value) ? 0 : value))));
        break;
      case "resample": {
        const resample = step.method === "linear" ? resampleLinear : resamplePolyphase;
        x = x.map((row) => resample(row, rate, step.to_hz).map(Math.fround));
        rate = step.to_hz;
        break;
      }
      case "notch":
      case "butterworth":
        for (const part of filtersOfStep(step, rate)) {
          x = x.map((row) => filterZeroPhase(row, part));
        }
        break;
      case "subtract-running-median":
        x = x.map((row) => withoutRunningMedian(row, step.kernel_samples));
        break;
      case "keep-every":
        x = x.map((row) => row.filter((_, k) => k % step.interval_samples === 0));
        rate /= step.interval_samples;
        break;
      case "z-score":
        if (recipe.padding.counted_in_scaling) x = x.map(padded);
        x = zScore(x, step);
        break;
      case "clip": {
        const limit = "limit_sd" in step ? step.limit_sd : step.limit_mv;
        x = x.map((row) => row.map((value) => Math.min(Math.max(value, -limit), limit)));
        break;
      }
      case "blank-gaps":
        x = x.map((row, lead) => row.map((value, k) => {
          const nearest = roundHalfEven(k * (samplingRate / rate));
          return gaps[lead][Math.min(nearest, length - 1)] ? 0 : value;
        }));
        break;
      default:
        throw new Error(`this page knows no step ${step.step}`);
    }
  }
  const made = x.map((row) => Float32Array.from(padded(row.slice(0, samples))));
  return rows.map((row) => (isMissingThroughout(row) ? null : made.shift()));
}

function filtersOfStep(step, rate) {
  if (step.step === "notch") {
    // A file does not state its mains frequency to this page.
    const frequencies = step.frequency_hz === "mains" ? step.unknown_mains_hz : [step.frequency_hz];
    return frequencies.map((frequency) => designNotch(frequency, step.quality, rate));
  }
  if (step.band === "band-pass") {
    return [designBandPass(step.order, step.low_hz, step.high_hz, rate)];
  }
  return [designOneSided(step.order, step.cutoff_hz, rate, step.band === "high-pass")];
}

function padRow(row, padding, samples) {
  if (row.length >= samples) return row;
  const value = "value_sd" in padding ? padding.value_sd : padding.value_mv;
  const result = new Float64Array(samples).fill(value);
  result.set(row, padding.side === "right" ? 0 : samples - row.length);
  return result;
}

// Median of the samples around each one, zeros beyond the ends.
function withoutRunningMedian(x, kernel) {
  const reach = Math.floor(kernel / 2);
  const at = (k) => (k >= 0 && k < x.length ? x[k] : 0);
  const sorted = [];
  const place = (value) => {
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  for (let k = -reach; k < reach; k += 1) sorted.splice(place(at(k)), 0, at(k));
  return x.map((value, k) => {
    sorted.splice(place(at(k + reach)), 0, at(k + reach));
    const middle = sorted.length >> 1;
    const found = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    sorted.splice(place(at(k - reach)), 1);
    return value - found;
  });
}

function zScore(rows, step) {
  const scaled = (values) => {
    const centre = mean(values);
    const deviation = Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
    const divisor = deviation < step.flat_below_mv ? Infinity : deviation + step.epsilon_mv;
    return (value) => (value - centre) / divisor;
  };
  if (step.over === "window") {
    const all = new Float64Array(rows.length * rows[0].length);
    rows.forEach((row, k) => all.set(row, k * row.length));
    const scale = scaled(all);
    return rows.map((row) => row.map(scale));
  }
  return rows.map((row) => row.map(scaled(row)));
}
