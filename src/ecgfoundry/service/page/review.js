// What a reader says about a kept recording. It is added; the machine's answer is never changed.

import { Problem, getJson, postJson } from "./api.js";
import { by, element } from "./dom.js";
import { localTime } from "./header.js";
import { DECISIONS } from "./worklist.js";

// ``words`` by name; ``read``: the identity of the answer that is shown; what a reader has added in words of her own has none.
function line(review, words, read) {
  const item = element("li");
  item.append(element("strong", DECISIONS[review.decision]), ` by ${review.reader}, ${localTime(review.created)}`);
  const present = review.statements.filter((one) => one.present).map((one) => words[one.name] ?? one.name);
  const absent = review.statements.filter((one) => one.present === false).map((one) => words[one.name] ?? one.name);
  for (const [words, names] of [["holds", present], ["does not hold", absent]]) {
    if (names.length) item.append(element("div", `${words}: ${names.join(", ")}`, "hint"));
  }
  if (review.answer !== read) item.append(element("div", "of another answer than the one above", "hint"));
  if (review.comment) item.append(element("div", `“${review.comment}”`));
  return item;
}

export class ReviewView {
  constructor() {
    this.clear();
    by("review-confirm").addEventListener("click", () => this.send("confirmed"));
    by("review-edit").addEventListener("click", () => this.send("edited"));
    by("review-reject").addEventListener("click", () => this.send("rejected"));
    by("review-form").addEventListener("submit", (event) => event.preventDefault());
  }

  clear() {
    Object.assign(this, { session: null, statements: [] });
    by("review").hidden = true;
    by("reviews").replaceChildren();
    by("review-add").value = by("review-comment").value = "";
    by("review-statements").replaceChildren(by("review-statements").querySelector("legend"));
    this.state(null);
  }

  // ``earlier``: the last review is about another answer than the one that is shown.
  state(review, earlier = false) {
    const badge = by("review-state");
    const open = earlier ? "Unconfirmed; another answer was reviewed" : "Unconfirmed";
    badge.textContent = review ? `${DECISIONS[review.decision]} by ${review.reader}` : open;
    badge.className = `badge ${review?.decision ?? ""}`;
  }

  async open(session, answer) {
    this.clear();
    if (!session.kept) return;
    this.session = session;
    const { reviews } = await getJson(`/v1/recordings/${session.kept}/reviews`, { turn: session.turn });
    by("review").hidden = false;
    by("reviews").replaceChildren(...reviews.map((one) => line(one, answer.reading.names, session.read)));
    by("review-form").hidden = session.unstored;
    by("review-unstored").hidden = !session.unstored;
    const last = reviews.findLast((one) => one.answer === session.read) ?? null;
    this.state(reviews.at(-1) === last ? last : null, reviews.length && reviews.at(-1) !== last);
    const said = last?.statements ?? [];
    this.offer(answer, new Map(said.map((one) => [one.name, one.present])));
  }

  // A box for each statement of the machine, and for those that a reader added before.
  offer(answer, said) {
    const { names } = answer.reading;
    this.names = new Map(Object.entries(names).map(([name, words]) => [words, name]));
    const present = answer.reading.statements.map((one) => [one.name, one.possible ? `possible ${one.words}` : one.words, true]);
    const added = [...said].filter(([name, here]) => here && !present.some(([own]) => own === name)).map(([name]) => [name, names[name] ?? name, false]);
    this.statements = [...present, ...added].map(([name, words, machine]) => {
      const label = element("label");
      const box = element("input");
      box.type = "checkbox";
      box.checked = said.get(name) ?? true;
      label.append(box, ` ${words}`);
      by("review-statements").append(label);
      return { name, box, machine };
    });
    by("review-names").replaceChildren(...Object.values(names).sort().map((words) => new Option(words)));
  }

  async send(decision) {
    const { session } = this;
    const confirmed = decision === "confirmed"; // all that the machine has stated, and nothing else
    const said = decision === "rejected" ? [] : this.statements.filter((one) => !confirmed || one.machine);
    const statements = said.map(({ name, box }) => ({ name, present: confirmed || box.checked, note: "" }));
    const added = by("review-add").value.trim();
    if (added && decision === "edited") statements.push({ name: this.names.get(added) ?? added, present: true, note: "added by the reader" });
    try {
      await postJson(`/v1/recordings/${session.kept}/reviews`, { decision, statements, comment: by("review-comment").value.trim(), sha256: session.content, answer: session.read }, session.turn);
      this.changed();
    } catch (error) {
      if (error instanceof Problem) this.failed(error); else throw error;
    }
  }
}
