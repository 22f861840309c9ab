// Change of the sampling rate, for rows without missing samples.
import { median, roundHalfEven } from "./arrays.js";

const LARGEST_DENOMINATOR = 2000n;

// Sample k of the result stands at time k / target.
export function resampleLinear(x, source, target) {
  if (source === target) return x;
  const length = Math.max(1, roundHalfEven((x.length * target) / source));
  const result = new Float64Array(length);
  for (let k = 0; k < length; k += 1) {
    const at = Math.min(k * (source / target), x.length - 1);
    const left = Math.floor(at);
    const right = Math.min(left + 1, x.length - 1);
    result[k] = x[left] + (x[right] - x[left]) * (at - left);
  }
  return result;
}

// Low-pass (Kaiser window, beta 5), then the samples at times k / target. Beyond the ends the
// signal goes on along the line through its first and last sample.
export function resamplePolyphase(x, source, target) {
  const [up, down] = rateRatio(source, target);
  if (up === down) return x;
  const larger = Math.max(up, down);
  const half = 10 * larger;
  const kernel = antiAliasing(larger, half, up);
  const offset = median(x);
  const first = x[0] - offset;
  const slope = (x[x.length - 1] - x[0]) / Math.max(1, x.length - 1);
  const result = new Float64Array(Math.ceil((x.length * up) / down));
  for (let n = 0; n < result.length; n += 1) {
    const at = n * down;
    let sum = 0;
    for (let k = Math.ceil((at - half) / up); k * up <= at + half; k += 1) {
      const inside = k >= 0 && k < x.length;
      sum += kernel[at - k * up + half] * (inside ? x[k] - offset : first + slope * k);
    }
    result[n] = sum + offset;
  }
  return result;
}

function antiAliasing(larger, half, up) {
  const kernel = new Float64Array(2 * half + 1);
  let sum = 0;
  for (let k = -half; k <= half; k += 1) {
    const t = (Math.PI * k) / larger;
    const taper = besselI0(5 * Math.sqrt(1 - (k / half) ** 2)) / besselI0(5);
    kernel[k + half] = (k === 0 ? 1 : Math.sin(t) / t) * taper;
    sum += kernel[k + half];
  }
  return kernel.map((value) => (value * up) / sum);
}

function besselI0(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-17 * sum; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

// target / source as a small fraction, as Python's Fraction makes it.
export function rateRatio(source, target) {
  const [a, b] = limited(exactFraction(target), 1000000n);
  const [c, d] = limited(exactFraction(source), 1000000n);
  const [up, down] = limited(reduced(a * d, b * c), LARGEST_DENOMINATOR).map(Number);
  if (up < 1 || Math.abs(up / down / (target / source) - 1) > 1e-4) {
    throw new Error(`a signal at ${source} Hz cannot be resampled to ${target} Hz: ` +
      "check the stated sampling rate");
  }
  return [up, down];
}

function exactFraction(x) {
  let below = 1n;
  while (!Number.isInteger(x)) {
    x *= 2;
    below *= 2n;
  }
  return reduced(BigInt(x), below);
}

function reduced(above, below) {
  let [a, b] = [above, below];
  while (b) [a, b] = [b, a % b];
  return [above / a, below / a];
}

function limited([above, below], largest) {
  if (below <= largest) return [above, below];
  let [p0, q0, p1, q1] = [0n, 1n, 1n, 0n];
  let [n, d] = [above, below];
  for (;;) {
    const whole = n / d;
    const q2 = q0 + whole * q1;
    if (q2 > largest) break;
    [p0, q0, p1, q1] = [p1, q1, p0 + whole * p1, q2];
    [n, d] = [d, n - whole * d];
  }
  const k = (largest - q0) / q1;
  // Of the two best fractions the nearer one; the later one if both are as near.
  if (2n * d * (q0 + k * q1) <= below) return [p1, q1];
  return [p0 + k * p1, q0 + k * q1];
}
