// Two handles on the paper: time between them, rate, and the voltage difference of the lead.
//
// An interval is two moments of one lead, in seconds of the recording. Whatever is drawn anew, the
// moments stay; a handle whose moment is not on the paper is not shown.

import { quantity } from "./dom.js";
import { stripAt } from "./layouts.js";
import { CSS_MM } from "./paper.js";

export class Calipers {
  constructor(canvas, layer, output) {
    this.canvas = canvas;
    this.layer = layer;
    this.output = output;
    this.on = false;
    this.strip = null;
    this.times = [0, 0];
    this.state = null; // {plan, signal, speed, zoom}
    this.handles = [0, 1].map((which) => this.makeHandle(which));
    canvas.addEventListener("pointerdown", (event) => this.press(event));
  }

  makeHandle(which) {
    const handle = document.createElement("div");
    handle.className = "caliper";
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", which ? "End of the interval" : "Beginning of the interval");
    handle.hidden = true;
    handle.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -25, PageUp: 25 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.set(which, this.sampleOf(which) + step * (event.shiftKey ? 10 : 1));
    });
    handle.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      handle.focus();
      handle.setPointerCapture(event.pointerId);
      const move = (e) => this.set(which, this.sampleAt(this.place(e).x));
      handle.addEventListener("pointermove", move);
      handle.addEventListener("pointerup", () => handle.removeEventListener("pointermove", move), { once: true });
    });
    this.layer.append(handle);
    return handle;
  }

  toggle(on) {
    this.on = on;
    this.canvas.classList.toggle("measuring", on);
    if (on && this.state && !this.strip) {
      this.strip = this.state.plan.strips[0];
      const { signal } = this.state;
      const middle = this.sampleAt(this.strip.x + this.strip.width / 3);
      this.times = [middle, middle + Math.round(0.8 * signal.rate)].map((s) => signal.start + s / signal.rate);
    }
    this.draw();
  }

  // Another recording: its samples are not those that were measured.
  forget() {
    this.strip = null;
    this.state = null;
    this.draw();
  }

  // The drawing has changed: the interval stays where it is, in the lead and in time.
  update(state) {
    this.state = state;
    if (this.strip) this.strip = this.sameStrip(state.plan.strips) ?? this.strip;
    this.draw();
  }

  // The strip of the lead that shows most of the interval; of several, the kind it was measured on.
  sameStrip(strips) {
    const [from, to] = [Math.min(...this.times), Math.max(...this.times)];
    const shown = (s) => Math.min(to, s.to) - Math.max(from, s.from);
    const best = (a, b) => shown(b) - shown(a) || (b.rhythm === this.strip.rhythm) - (a.rhythm === this.strip.rhythm);
    return strips.filter((s) => s.lead === this.strip.lead).sort(best)[0];
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const unit = CSS_MM * this.state.zoom;
    return { x: (event.clientX - box.left) / unit, y: (event.clientY - box.top) / unit };
  }

  sampleAt(x) {
    const { signal, speed } = this.state;
    const time = this.strip.from + (x - this.strip.x) / speed;
    return Math.round((time - signal.start) * signal.rate);
  }

  sampleOf(which) {
    const { signal } = this.state;
    return Math.round((this.times[which] - signal.start) * signal.rate);
  }

  press(event) {
    if (!this.on || !this.state) return;
    const at = this.place(event);
    const strip = stripAt(this.state.plan, at.x, at.y);
    if (!strip) return;
    event.preventDefault();
    this.strip = strip;
    const { signal } = this.state;
    const first = signal.start + this.sampleAt(at.x) / signal.rate;
    this.times = [first, first];
    this.canvas.setPointerCapture(event.pointerId);
    const move = (e) => this.set(1, this.sampleAt(this.place(e).x));
    this.canvas.addEventListener("pointermove", move);
    this.canvas.addEventListener("pointerup", () => {
      this.canvas.removeEventListener("pointermove", move);
      this.handles[1].focus();
    }, { once: true });
    this.draw();
  }

  set(which, sample) {
    const { signal } = this.state;
    const low = Math.ceil((this.strip.from - signal.start) * signal.rate - 1e-9);
    const high = Math.floor((this.strip.to - signal.start) * signal.rate + 1e-9);
    const kept = Math.min(Math.max(sample, Math.max(low, 0)), Math.min(high, signal.count - 1));
    this.times[which] = signal.start + kept / signal.rate;
    this.draw();
  }

  // Whether the lead is drawn at all: it may have been taken out.
  drawn() {
    return this.state.plan.strips.includes(this.strip);
  }

  draw() {
    const shown = this.on && this.strip && this.state;
    if (!shown) {
      for (const handle of this.handles) handle.hidden = true;
      this.output.textContent = "";
      delete this.output.dataset.milliseconds;
      delete this.output.dataset.millivolts;
      return;
    }
    const { plan, speed, zoom, signal } = this.state;
    this.handles.forEach((handle, which) => {
      const time = this.times[which];
      handle.hidden = !this.drawn() || time < this.strip.from - 1e-6 || time > this.strip.to + 1e-6;
      const x = this.strip.x + (time - this.strip.from) * speed;
      handle.style.left = `${x * zoom}mm`;
      handle.style.top = `${(this.strip.y - plan.rowHeight / 2) * zoom}mm`;
      handle.style.height = `${plan.rowHeight * zoom}mm`;
      handle.setAttribute("aria-valuenow", this.sampleOf(which));
      handle.setAttribute("aria-valuemin", 0);
      handle.setAttribute("aria-valuemax", signal.count - 1);
      handle.setAttribute("aria-valuetext", `${time.toFixed(3)} seconds`);
    });
    const seconds = Math.abs(this.times[1] - this.times[0]);
    const values = signal.data[signal.leads.indexOf(this.strip.lead)];
    const difference = this.strip.sign * ((values[this.sampleOf(1)] ?? NaN) - (values[this.sampleOf(0)] ?? NaN));
    const rate = seconds > 0 ? quantity(60 / seconds, "/min") : "–/min";
    const voltage = Number.isNaN(difference) ? "– mV" : quantity(difference, "mV");
    const away = this.handles.some((handle) => handle.hidden) ? " · not all of it is on the paper" : "";
    this.output.textContent = `${this.strip.label}: ${(1000 * seconds).toFixed(0)} ms · ${rate} · ${voltage}${away}`;
    this.output.dataset.milliseconds = (1000 * seconds).toFixed(3);
    this.output.dataset.millivolts = Number.isNaN(difference) ? "" : difference.toFixed(4);
  }
}
