// The trace of the open recording: which part of it is on the paper, how it is drawn, what is lit.

import { Superseded, decodeSamples } from "./api.js";
import { Calipers } from "./calipers.js";
import { by, clock, element } from "./dom.js";
import { stretchesOfStatement } from "./evidence.js";
import { filtersStated } from "./header.js";
import { defaultLayout, ordered, planStrips, rhythmLeadOf, stripsOf, visibleSeconds } from "./layouts.js";
import { shownStretches, stripsFor } from "./marks.js";
import { CSS_MM, drawOverview, drawPaper } from "./paper.js";

const SENT_S = 60; // samples that are sent at a time
const NARROW = 640; // CSS pixels: on a phone the paper may be out of sight

const NOTHING = {
  session: null, signal: null, overlay: null, saliency: null, overview: null, answer: null, lit: [], start: 0,
};

export class Trace {
  // ``attempt`` runs something for the open session; ``drawn`` is told what part is on the paper.
  constructor({ attempt, say, drawn }) {
    Object.assign(this, NOTHING, { attempt, say, drawn, hidden: new Set(), part: 0, otherBeats: null });
    this.calipers = new Calipers(by("paper"), by("caliper-layer"), by("measured"));
    this.connect();
  }

  clear() {
    Object.assign(this, NOTHING, { hidden: new Set(), otherBeats: null });
    this.part++;
    for (const id of ["imprint", "lit-words"]) by(id).textContent = "";
    by("lit").hidden = true;
    by("paper").width = by("overview").width = 0; // empties it
    by("filtered").checked = by("saliency").checked = false;
    this.calipers.forget();
  }

  open(session, signal) {
    const { about } = session;
    Object.assign(this, { session, signal, overview: about.overview });
    by("layout").value = defaultLayout(about.leads, about.duration_s);
    by("rhythm-lead").replaceChildren(...about.leads.map((lead) => new Option(lead, lead)));
    by("rhythm-lead").value = rhythmLeadOf(about.leads);
    by("leads-shown").replaceChildren(by("leads-shown").querySelector("legend"), ...about.leads.map((lead) => this.box(lead)));
    by("overview-box").hidden = !this.overview;
    this.draw();
  }

  box(lead) {
    const label = element("label"), box = element("input");
    box.type = "checkbox";
    box.checked = true;
    box.addEventListener("change", () => {
      if (box.checked) this.hidden.delete(lead); else this.hidden.add(lead);
      this.draw();
    });
    label.append(box, ` ${lead}`);
    return label;
  }

  settings() {
    return {
      layout: by("layout").value, speed: Number(by("speed").value), gain: Number(by("gain").value),
      zoom: Number(by("zoom").value) / 100, rhythmLead: by("rhythm-lead").value,
      duration: this.session?.about.duration_s,
    };
  }

  plan() {
    const leads = this.session.about.leads.filter((lead) => !this.hidden.has(lead));
    return leads.length ? planStrips({ ...this.settings(), leads, start: this.start }) : null;
  }

  // Beats in and around what is on the paper: a day has a hundred thousand.
  beats(planned) {
    const all = this.answer?.measurements?.beats ?? this.otherBeats ?? [];
    const from = this.start - 2, to = this.start + planned.seconds + 2;
    return all.filter((beat) => beat.time_s > from && beat.time_s < to);
  }

  draw() {
    const planned = this.signal && this.plan();
    if (!planned) return;
    const { speed, gain, zoom } = this.settings();
    const marked = by("marks").checked, beats = this.beats(planned);
    drawPaper(by("paper"), planned, {
      signal: this.signal, overlay: by("filtered").checked ? this.overlay : null,
      saliency: by("saliency").checked ? this.saliency : null, lit: this.lit, beats, waves: marked, labels: marked,
      speed, gain, zoom,
    });
    by("lit-go").hidden = !this.lit.length || shownStretches(planned, this.lit).length > 0;
    this.describe(planned, marked && beats.length > 0);
    this.calipers.update({ plan: planned, signal: this.signal, speed, zoom });
    if (this.overview) this.drawOverview(planned);
    this.drawn({ start: this.start, seconds: planned.seconds });
  }

  // What is on the paper, in words: for those who cannot see it, and below it in print.
  describe(planned, marked) {
    const { about } = this.session, { speed, gain } = this.settings();
    const until = Math.min(this.start + planned.seconds, about.duration_s);
    const leads = [...new Set(planned.strips.map((strip) => strip.lead))].join(", ");
    by("paper").setAttribute("aria-label", `ECG, ${leads}, from ${this.start.toFixed(1)} to ${until.toFixed(1)} seconds`);
    by("imprint").textContent = [
      `${speed} mm/s`, `${gain} mm/mV`, `filters of the device ${filtersStated(about)}`, "drawn unfiltered",
      by("filtered").checked && this.overlay ? "overlay 0.67–40 Hz, zero phase" : "",
      marked ? "marks: onset of P, QRS onset to J, end of T" : "", `from ${this.start.toFixed(1)} s`, "unconfirmed",
    ].filter(Boolean).join(" · ");
  }

  drawOverview(planned) {
    const slider = by("overview");
    drawOverview(slider, this.overview, { start: this.start, seconds: planned.seconds });
    slider.setAttribute("aria-valuemax", Math.round(this.session.about.duration_s));
    slider.setAttribute("aria-valuenow", Math.round(this.start));
    slider.setAttribute("aria-valuetext", clock(this.start));
  }

  goTo(seconds) {
    return this.attempt(async (session) => {
      if (!session?.about) return;
      const { duration } = this.settings();
      const shown = visibleSeconds(this.settings());
      this.start = Math.min(Math.max(seconds, 0), Math.max(duration - shown, 0));
      const { signal } = this;
      const end = signal.start + signal.count / signal.rate;
      const part = ++this.part; // an answer to an earlier jump must not move the paper back
      if (this.start < signal.start - 1e-6 || Math.min(this.start + shown, duration) > end + 1e-6) {
        const start = Math.max(this.start - Math.max((SENT_S - shown) / 2, 0), 0);
        const answer = await session.post("read", { samples: true, start_s: start, duration_s: SENT_S });
        if (part !== this.part) return;
        this.signal = decodeSamples(answer);
        this.overlay = null;
        by("filtered").checked = false;
      }
      this.draw();
    });
  }

  // ------------------------------------------------------------------------------ evidence

  // Light what a statement rests on; null puts the light out.
  light(statement) {
    const { answer } = this;
    this.lit = statement && answer.measurements
      ? stretchesOfStatement(statement, answer.measurements.beats, answer.reading) : [];
    by("lit").hidden = !statement;
    if (statement) by("lit-words").textContent = `Lit: ${statement.words}, ${this.litPlace()}.`;
    this.draw();
    if (this.lit.length) this.scrollToLit();
  }

  litPlace() {
    const leads = [...new Set(this.lit.map((one) => one.lead))];
    if (!leads.length) return "it rests on no single place of the trace";
    if (leads.includes("*")) return "seen in all leads";
    const named = new Set(leads.map((lead) => lead ?? stripsOf(this.plan(), null)[0].lead));
    return `seen in ${ordered([...named]).join(", ")}`;
  }

  // On a narrow screen the lit part of the paper may be out of sight.
  scrollToLit() {
    const planned = this.plan(), { speed, zoom } = this.settings();
    const [first] = shownStretches(planned, this.lit);
    if (!first) return;
    const strip = stripsFor(planned, first.lead).find((one) => first.from < one.to && first.to > one.from);
    const box = by("paper-scroll");
    const x = (strip.x + Math.max(first.from - strip.from, 0) * speed) * zoom * CSS_MM;
    if (x < box.scrollLeft || x > box.scrollLeft + box.clientWidth - 40) box.scrollLeft = Math.max(x - 60, 0);
    if (window.innerWidth <= NARROW) by("lit").scrollIntoView({ block: "start" });
  }

  // The evidence is in another lead or at another time than the paper shows.
  goToLit() {
    const [first] = this.lit;
    if (first.lead && first.lead !== "*") by("layout").value = "12x1";
    return this.goTo(first.from - 1);
  }

  // ------------------------------------------------------------------------------ overlays

  toggleFiltered() {
    return this.attempt(async (session) => {
      if (by("filtered").checked && !this.overlay) {
        const { signal } = this;
        const seconds = Math.min(signal.count / signal.rate, SENT_S);
        const query = { samples: true, filtered: true, start_s: signal.start, duration_s: seconds };
        const overlay = decodeSamples(await session.post("read", query));
        if (signal === this.signal) this.overlay = overlay; // else another part is on the paper now
      }
      this.draw();
    });
  }

  toggleSaliency() {
    return this.attempt(async (session) => {
      if (by("saliency").checked && !this.saliency) {
        this.say("Asking what the model looked at …");
        try {
          this.saliency = await session.post("explain", { model: this.answer?.model ?? session.model, lead: session.lead });
        } catch (error) {
          if (!(error instanceof Superseded)) by("saliency").checked = false;
          throw error;
        }
        this.say(`Shaded: what counts for “${this.saliency.target}”.`);
      }
      this.draw();
    });
  }

  toggleCalipers() {
    const { calipers } = this;
    calipers.toggle(!calipers.on);
    by("calipers-button").setAttribute("aria-pressed", String(calipers.on));
    if (calipers.on && !calipers.handles[0].hidden) calipers.handles[0].focus();
  }

  // ------------------------------------------------------------------------------ controls

  connect() {
    const draw = () => this.draw(), again = () => this.goTo(this.start);
    for (const id of ["gain", "marks"]) by(id).addEventListener("change", draw);
    for (const id of ["layout", "speed", "rhythm-lead"]) by(id).addEventListener("change", again);
    by("zoom").addEventListener("input", () => { by("zoom-value").textContent = `${by("zoom").value} %`; draw(); });
    by("filtered").addEventListener("change", () => this.toggleFiltered());
    by("saliency").addEventListener("change", () => this.toggleSaliency());
    by("calipers-button").addEventListener("click", () => this.toggleCalipers());
    by("lit-go").addEventListener("click", () => this.goToLit());
    const step = (sign) => this.goTo(this.start + sign * visibleSeconds(this.settings()) / 2);
    by("back").addEventListener("click", () => step(-1));
    by("forth").addEventListener("click", () => step(1));
    by("paper-scroll").addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -0.2, ArrowRight: 0.2, PageUp: -10, PageDown: 10 }[event.key];
      if (move === undefined || event.target !== by("paper-scroll")) return;
      event.preventDefault();
      this.goTo(this.start + move);
    });
    for (const id of ["overview", "timeline"]) this.connectSlider(by(id));
    this.connectMore(by("more"));
  }

  // A picture of the whole recording: a click or a key moves the paper there.
  connectSlider(canvas) {
    canvas.addEventListener("click", (event) =>
      this.goTo((event.offsetX / canvas.clientWidth) * this.session.about.duration_s - 5));
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -10, ArrowRight: 10, PageUp: -600, PageDown: 600 }[event.key];
      if (event.key === "Home") this.goTo(0);
      else if (event.key === "End") this.goTo(Infinity);
      else if (move !== undefined) this.goTo(this.start + move);
      else return;
      event.preventDefault();
    });
  }

  // It lies over the paper: a click elsewhere or Escape puts it away.
  connectMore(more) {
    document.addEventListener("pointerdown", (event) => { if (!more.contains(event.target)) more.open = false; });
    more.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      more.open = false;
      more.querySelector("summary").focus();
    });
  }
}
