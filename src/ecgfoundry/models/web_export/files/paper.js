// The ECG on paper: 25 mm/s and 10 mm/mV, in millimetres of the screen that the reader has set.

const SPEED = 25; // mm per second
const GAIN = 10; // mm per mV
const ROW_MM = 25;
const MARGIN_MM = 12;
const STRETCH_S = 10;

export function stretchSeconds() {
  return STRETCH_S;
}

// Draws one stretch of all leads from a second on; pixelsPerMm are CSS pixels.
export function drawPaper(canvas, recording, fromS, pixelsPerMm) {
  const samples = recording.signals[recording.leads[0]].length;
  const seconds = Math.min(STRETCH_S, samples / recording.rate);
  const width = MARGIN_MM + seconds * SPEED;
  const height = recording.leads.length * ROW_MM + 8;
  const ratio = window.devicePixelRatio || 1;
  canvas.style.width = `${width * pixelsPerMm}px`;
  canvas.style.height = `${height * pixelsPerMm}px`;
  canvas.width = Math.round(width * pixelsPerMm * ratio);
  canvas.height = Math.round(height * pixelsPerMm * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(pixelsPerMm * ratio, pixelsPerMm * ratio);
  pen.fillStyle = "#fffdfb";
  pen.fillRect(0, 0, width, height);
  for (const [step, colour, line] of [[1, "#f6d9d3", 0.08], [5, "#e9aca0", 0.15]]) {
    pen.beginPath();
    for (let x = MARGIN_MM % step; x <= width; x += step) pen.rect(x - line / 2, 0, line, height);
    for (let y = 0; y <= height; y += step) pen.rect(0, y - line / 2, width, line);
    pen.fillStyle = colour;
    pen.fill();
  }
  pen.lineWidth = 0.25;
  pen.lineJoin = "round";
  recording.leads.forEach((lead, k) => {
    drawLead(pen, recording, lead, fromS, seconds, (k + 0.5) * ROW_MM);
  });
  pen.font = "2.6px sans-serif";
  pen.fillStyle = "#333";
  pen.fillText(`${SPEED} mm/s   ${GAIN} mm/mV   from ${fromS.toFixed(1)} s`, 2, height - 2);
}

function drawLead(pen, recording, lead, fromS, seconds, baseline) {
  pen.font = "bold 3.2px sans-serif";
  pen.fillStyle = "#111";
  pen.fillText(lead, MARGIN_MM + 1, baseline - 8);
  pen.strokeStyle = "#111";
  pen.beginPath(); // the pulse of 1 mV
  for (const [x, y] of [[2, 0], [3, 0], [3, -GAIN], [8, -GAIN], [8, 0], [9, 0]]) {
    pen.lineTo(x, baseline + y);
  }
  pen.stroke();
  const first = Math.round(fromS * recording.rate);
  const row = recording.signals[lead].subarray(first, first + Math.round(seconds * recording.rate));
  const known = row.filter((value) => !Number.isNaN(value)).sort();
  const middle = known.length ? known[known.length >> 1] : 0;
  pen.beginPath();
  let isDown = false;
  row.forEach((value, k) => {
    if (Number.isNaN(value)) {
      isDown = false;
      return;
    }
    const x = MARGIN_MM + (k / recording.rate) * SPEED;
    const y = baseline - (value - middle) * GAIN;
    if (isDown) pen.lineTo(x, y);
    else pen.moveTo(x, y);
    isDown = true;
  });
  pen.stroke();
}
