// Filters as second-order sections: filter_design.py of the other exports, formula by formula.
// A section is [b0, b1, b2, 1, a1, a2]; pad is the odd extension on each side, in samples.

export function designBandPass(order, lowHz, highHz, rate) {
  const [low, high] = [lowHz, highHz].map((f) => 4 * Math.tan((Math.PI * f) / rate));
  const width = high - low;
  const centre = Math.sqrt(low * high);
  const sections = [];
  let gain = 1;
  for (let k = 0; k < Math.floor(order / 2); k += 1) {
    const angle = (Math.PI * (2 * k + order + 1)) / (2 * order);
    const half = [(Math.cos(angle) * width) / 2, (Math.sin(angle) * width) / 2];
    const square = [half[0] ** 2 - half[1] ** 2 - centre ** 2, 2 * half[0] * half[1]];
    const root = complexRoot(square);
    for (const sign of [1, -1]) {
      const pole = [half[0] + sign * root[0], half[1] + sign * root[1]];
      const below = [4 - pole[0], -pole[1]];
      const size = below[0] ** 2 + below[1] ** 2;
      // (4 + p) / (4 - p)
      const real = ((4 + pole[0]) * below[0] + pole[1] * below[1]) / size;
      const imaginary = (pole[1] * below[0] - (4 + pole[0]) * below[1]) / size;
      sections.push([1, 0, -1, 1, -2 * real, real ** 2 + imaginary ** 2]);
      gain *= (4 * width) / size;
    }
  }
  if (order % 2) {
    const scale = 16 + 4 * width + centre ** 2;
    sections.push(
      [1, 0, -1, 1, (2 * centre ** 2 - 32) / scale, (16 - 4 * width + centre ** 2) / scale]);
    gain *= (4 * width) / scale;
  }
  sections.sort((one, other) => one[5] - other[5]);
  return { sections, gain, pad: 3 * (2 * order + 1) };
}

function complexRoot([real, imaginary]) {
  const size = Math.hypot(real, imaginary);
  const part = Math.sqrt((size + Math.abs(real)) / 2);
  if (size === 0) return [0, 0];
  if (real >= 0) return [part, imaginary / (2 * part)];
  return [Math.abs(imaginary) / (2 * part), imaginary < 0 ? -part : part];
}

export function designOneSided(order, cutoffHz, rate, isHigh) {
  const tangent = Math.tan((Math.PI * cutoffHz) / rate);
  const sections = [];
  for (let k = 0; k < Math.floor(order / 2); k += 1) {
    const damping = Math.sqrt(2 + 2 * Math.cos((Math.PI * (order - 1 - 2 * k)) / order));
    const scale = 1 / (1 + damping * tangent + tangent ** 2);
    const b0 = isHigh ? scale : tangent ** 2 * scale;
    sections.push([b0, isHigh ? -2 * b0 : 2 * b0, b0, 1,
      2 * (tangent ** 2 - 1) * scale, (1 - damping * tangent + tangent ** 2) * scale]);
  }
  if (order % 2) {
    const b0 = (isHigh ? 1 : tangent) / (1 + tangent);
    sections.push([b0, isHigh ? -b0 : b0, 0, 1, (tangent - 1) / (1 + tangent), 0]);
  }
  return { sections, gain: 1, pad: 3 * (order + 1) };
}

export function designNotch(frequencyHz, quality, rate) {
  const angle = (2 * Math.PI * frequencyHz) / rate;
  const gain = 1 / (1 + Math.tan(angle / quality / 2));
  const middle = -2 * gain * Math.cos(angle);
  return { sections: [[gain, middle, gain, 1, middle, 2 * gain - 1]], gain: 1, pad: 9 };
}

// Forwards and backwards over an odd extension, each from the steady state of its edge.
export function filterZeroPhase(x, { sections, gain, pad }) {
  const last = x.length - 1;
  if (last < pad) throw new Error(`a window of ${x.length} samples is too short for its filter`);
  let y = new Float64Array(x.length + 2 * pad);
  for (let k = 0; k < pad; k += 1) {
    y[k] = 2 * x[0] - x[pad - k];
    y[pad + x.length + k] = 2 * x[last] - x[last - 1 - k];
  }
  y.set(x, pad);
  for (let way = 0; way < 2; way += 1) {
    y = y.map((value) => value * gain);
    for (const section of sections) runSection(y, section);
    y.reverse();
  }
  return y.slice(pad, pad + x.length);
}

function runSection(x, [b0, b1, b2, , a1, a2]) {
  const steady = (b0 + b1 + b2) / (1 + a1 + a2);
  let s1 = (steady - b0) * x[0];
  let s2 = (b2 - a2 * steady) * x[0];
  for (let t = 0; t < x.length; t += 1) {
    const value = x[t];
    const out = b0 * value + s1;
    s1 = b1 * value - a1 * out + s2;
    s2 = b2 * value - a2 * out;
    x[t] = out;
  }
}
