// How alike complexes are (ecgfoundry.measurements.likeness). Rows are leads.
import { mean } from "./arrays.js";

// Cuts `reach` samples to either side of each place that has them: {windows, kept}; a window is
// an array of leads.
export function cutComplexes(rows, places, reach) {
  const kept = [];
  places.forEach((place, k) => {
    if (place >= reach && place < rows[0].length - reach) kept.push(k);
  });
  const windows = kept.map((k) =>
    rows.map((row) => row.slice(places[k] - reach, places[k] + reach + 1)));
  return { windows, kept };
}

// The correlation of each window with each.
export function correlationsOf(windows) {
  const unit = windows.map((window) => {
    const flat = window.flatMap((row) => {
      const centre = mean(row);
      return Array.from(row, (value) => value - centre);
    });
    const size = Math.sqrt(dot(flat, flat));
    return flat.map((value) => (size > 0 ? value / size : 0));
  });
  return unit.map((one) => unit.map((other) => dot(one, other)));
}

function dot(one, other) {
  let sum = 0;
  for (let k = 0; k < one.length; k += 1) sum += one[k] * other[k];
  return sum;
}

// Which windows are like the one that most are like: true or false for each.
export function commonest(likeness, limit) {
  const alike = likeness.map((row) => row.map((value) => value >= limit));
  const counts = alike.map((row) => row.filter(Boolean).length);
  return alike[counts.indexOf(Math.max(...counts))];
}

export function meanWindow(windows) {
  return windows[0].map((row, lead) => row.map((_, k) => {
    let sum = 0;
    for (const window of windows) sum += window[lead][k];
    return sum / windows.length;
  }));
}

// The correlation of a shape with the signal around every sample; 0 where less than half of the
// shape's energy is inside.
export function recurrenceOf(rows, shape) {
  const samples = rows[0].length;
  const width = shape[0].length;
  const reach = (width - 1) / 2;
  const product = new Float64Array(samples);
  const energy = new Float64Array(samples);
  const weight = new Float64Array(width);
  rows.forEach((row, lead) => {
    for (let m = 0; m < width; m += 1) {
      const value = shape[lead][m];
      weight[m] += value ** 2;
      const from = Math.max(0, reach - m);
      const to = Math.min(samples, samples + reach - m);
      for (let k = from; k < to; k += 1) product[k] += value * row[k - reach + m];
    }
    for (let k = 0; k < samples; k += 1) energy[k] += row[k] ** 2;
  });
  const sums = [new Float64Array(samples + 1), new Float64Array(width + 1)];
  energy.forEach((value, k) => { sums[0][k + 1] = sums[0][k] + value; });
  weight.forEach((value, k) => { sums[1][k + 1] = sums[1][k] + value; });
  const inside = new Float64Array(samples);
  const size = product.map((_, k) => {
    const around = sums[0][Math.min(samples, k + reach + 1)] - sums[0][Math.max(0, k - reach)];
    inside[k] = sums[1][Math.min(width, samples + reach - k)] - sums[1][Math.max(0, reach - k)];
    return Math.sqrt(Math.max(around, 0) * inside[k]);
  });
  const least = 0.5 * inside.reduce((one, other) => Math.max(one, other));
  const smallest = 1e-12 * size.reduce((one, other) => Math.max(one, other));
  return product.map((value, k) =>
    (inside[k] >= least && size[k] > smallest ? value / size[k] : 0));
}
