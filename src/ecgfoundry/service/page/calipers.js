// Two handles on the paper: time between them, rate, and the voltage difference of the lead.

import { CSS_MM, stripAt } from "./paper.js";

export class Calipers {
  constructor(canvas, layer, output) {
    this.canvas = canvas;
    this.layer = layer;
    this.output = output;
    this.on = false;
    this.strip = null;
    this.samples = [0, 0];
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
      this.set(which, this.samples[which] + step * (event.shiftKey ? 10 : 1));
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
      const middle = this.sampleAt(this.strip.x + this.strip.width / 3);
      this.samples = [middle, middle + Math.round(0.8 * this.state.signal.rate)];
    }
    this.draw();
  }

  // The drawing has changed: the interval stays where it is in time.
  update(state) {
    this.state = state;
    if (this.strip) {
      const lead = this.strip.lead;
      this.strip = state.plan.strips.find((s) => s.lead === lead && this.timeOf(0) >= s.from && this.timeOf(0) < s.to)
        || state.plan.strips.find((s) => s.lead === lead) || null;
    }
    this.draw();
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

  timeOf(which) {
    const { signal } = this.state;
    return signal.start + this.samples[which] / signal.rate;
  }

  press(event) {
    if (!this.on || !this.state) return;
    const at = this.place(event);
    const strip = stripAt(this.state.plan, at.x, at.y);
    if (!strip) return;
    event.preventDefault();
    this.strip = strip;
    const first = this.sampleAt(at.x);
    this.samples = [first, first];
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
    this.samples[which] = Math.min(Math.max(sample, Math.max(low, 0)), Math.min(high, signal.count - 1));
    this.draw();
  }

  draw() {
    const shown = this.on && this.strip && this.state;
    for (const handle of this.handles) handle.hidden = !shown;
    if (!shown) { this.output.textContent = ""; return; }
    const { plan, speed, zoom, signal } = this.state;
    this.handles.forEach((handle, which) => {
      const x = this.strip.x + (this.timeOf(which) - this.strip.from) * speed;
      handle.style.left = `${x * zoom}mm`;
      handle.style.top = `${(this.strip.y - plan.rowHeight / 2) * zoom}mm`;
      handle.style.height = `${plan.rowHeight * zoom}mm`;
      handle.setAttribute("aria-valuenow", this.samples[which]);
      handle.setAttribute("aria-valuemin", 0);
      handle.setAttribute("aria-valuemax", signal.count - 1);
      handle.setAttribute("aria-valuetext", `${this.timeOf(which).toFixed(3)} seconds`);
    });
    const seconds = Math.abs(this.timeOf(1) - this.timeOf(0));
    const values = signal.data[signal.leads.indexOf(this.strip.lead)];
    const difference = values[this.samples[1]] - values[this.samples[0]];
    const rate = seconds > 0 ? `${(60 / seconds).toFixed(0)} bpm` : "– bpm";
    const voltage = Number.isNaN(difference) ? "– mV" : `${difference.toFixed(2)} mV`;
    this.output.textContent = `${this.strip.lead}: ${(1000 * seconds).toFixed(0)} ms · ${rate} · ${voltage}`;
    this.output.dataset.milliseconds = (1000 * seconds).toFixed(3);
    this.output.dataset.millivolts = Number.isNaN(difference) ? "" : difference.toFixed(4);
  }
}
