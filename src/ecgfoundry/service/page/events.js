// Events of a long recording, page by page, each with its strip: none is left out.

import { by, button, clock, element } from "./dom.js";
import { planStrips, rhythmLeadOf } from "./layouts.js";
import { drawPaper } from "./paper.js";

const EVENTS_A_PAGE = 25;
const BEFORE_S = 1, STRIP_S = 10;

// ``strip(start_s, seconds)`` gives the samples, ``beatsOf(from, to)`` the beats of a part of the recording.
export class Events {
  constructor(jump) {
    this.jump = jump;
    this.clear();
    by("event-kind").addEventListener("change", () => this.page(0));
    by("events-before").addEventListener("click", () => this.page(this.first - EVENTS_A_PAGE));
    by("events-after").addEventListener("click", () => this.page(this.first + EVENTS_A_PAGE));
  }

  clear() {
    Object.assign(this, { events: [], first: 0, strip: null, beatsOf: () => [] });
    this.watching?.disconnect();
    by("event-list").replaceChildren();
  }

  show(events, { strip, beatsOf = () => [] }) {
    Object.assign(this, { events, strip, beatsOf });
    const kinds = new Map();
    for (const event of events) kinds.set(event.kind, (kinds.get(event.kind) ?? 0) + 1);
    by("event-kind").replaceChildren(new Option(`all (${events.length})`, ""),
      ...[...kinds].sort().map(([kind, count]) => new Option(`${kind} (${count})`, kind)));
    this.page(0);
  }

  page(first) {
    const kind = by("event-kind").value;
    const chosen = this.events.filter((event) => !kind || event.kind === kind);
    this.first = first;
    const shown = chosen.slice(first, first + EVENTS_A_PAGE);
    this.watching?.disconnect();
    this.watching = new IntersectionObserver((seen) => this.seen(seen), { rootMargin: "200px" });
    by("event-list").replaceChildren(...shown.map((event) => this.item(event)));
    by("events-shown").textContent = chosen.length
      ? `${first + 1} to ${first + shown.length} of ${chosen.length}` : "There is none.";
    by("events-before").disabled = first === 0;
    by("events-after").disabled = first + EVENTS_A_PAGE >= chosen.length;
  }

  item(event) {
    const item = element("li");
    const length = event.end_s - event.start_s;
    const words = [event.kind, event.beats ? `${event.beats} beats` : "", event.rate_bpm ? `${event.rate_bpm.toFixed(0)}/min` : "",
      `${length < 60 ? `${length.toFixed(1)} s` : clock(length)}`].filter(Boolean);
    item.append(button(`${clock(event.start_s)} – ${clock(event.end_s)}`, () => this.jump(event.start_s - BEFORE_S), "small"),
      element("span", ` ${words.join(" · ")}`));
    const box = element("div", undefined, "strip");
    item.append(box);
    box.event = event;
    if (this.strip) this.watching.observe(box);
    return item;
  }

  seen(entries) {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting || target.asked) continue;
      target.asked = true;
      this.watching.unobserve(target);
      this.fill(target).catch(() => {}); // a strip that does not come leaves its place empty
    }
  }

  async fill(box) {
    const { event } = box, { beatsOf } = this;
    const start = Math.max(event.start_s - BEFORE_S, 0);
    const signal = await this.strip(start, STRIP_S);
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${event.kind} at ${clock(event.start_s)}, ${STRIP_S} seconds`);
    box.tabIndex = 0;
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", `Strip of ${clock(event.start_s)}`);
    const leads = [rhythmLeadOf(signal.leads)];
    const plan = planStrips({ layout: "strip", leads, speed: 25, gain: 10, start, rhythmLead: leads[0], duration: Infinity });
    box.append(canvas);
    const lit = [{ lead: null, from: event.start_s, to: Math.max(event.end_s, event.start_s + 0.1) }];
    drawPaper(canvas, plan, { signal, lit: length(event) < STRIP_S ? lit : [], beats: beatsOf(start, start + STRIP_S), labels: true, speed: 25, gain: 10, zoom: 1 });
  }
}

const length = (event) => event.end_s - event.start_s;
