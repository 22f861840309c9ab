// Names of leads, and which of them a model reads. The tables come with the page (FACTS.leads).
import { FACTS } from "./facts.js";

const STRIPPED = [" ", "-", ".", ":", ...FACTS.leads.around];

// The canonical spelling, or null if the name is no known lead.
export function canonicalLead(name) {
  let text = name.trim().toUpperCase().normalize("NFKD").replace(/\p{M}/gu, "");
  if (text.startsWith("-")) return null; // an inverted lead has the other sign
  for (const mark of STRIPPED) text = text.replaceAll(mark, "");
  for (;;) {
    const found = FACTS.leads.aliases[text.replaceAll("_", "")];
    if (found !== undefined) return found;
    const prefix = FACTS.leads.prefixes.find(
      (one) => text.startsWith(one) && text.length > one.length);
    if (prefix === undefined) return null;
    text = text.slice(prefix.length).replace(/^_+/, "");
    if (!text) return null;
  }
}

const LIMB = Object.keys(FACTS.leads.limb);

export function isLimbLead(name) {
  return LIMB.includes(name);
}

// The limb leads that follow from the first two of those that are there: name -> Float32Array.
export function deriveLimbLeads(signals) {
  const present = LIMB.filter((lead) => lead in signals);
  if (present.length < 2) return {};
  const [[a1, b1], [a2, b2]] = present.slice(0, 2).map((lead) => FACTS.leads.limb[lead]);
  const determinant = a1 * b2 - a2 * b1;
  const [x, y] = present.slice(0, 2).map((lead) => signals[lead]);
  const derived = {};
  for (const lead of LIMB) {
    if (lead in signals) continue;
    const [a, b] = FACTS.leads.limb[lead];
    derived[lead] = Float32Array.from(x, (value, k) =>
      a * ((b2 * value - b1 * y[k]) / determinant) + b * ((a1 * y[k] - a2 * value) / determinant));
  }
  return derived;
}

// Which leads a model reads: {rows, recorded, derived, absent}.
export function chooseLeads(input, available) {
  const limb = available.filter(isLimbLead).length;
  if (input.lead_mode === "any-single") {
    const lead = chooseSingleLead(available, input.leads, limb >= 2);
    const recorded = available.includes(lead);
    return { rows: [lead], recorded: recorded ? [lead] : [], derived: recorded ? [] : [lead],
      absent: [] };
  }
  const recorded = input.leads.filter((lead) => available.includes(lead));
  const derived = input.leads.filter(
    (lead) => isLimbLead(lead) && !recorded.includes(lead) && limb >= 2);
  const absent = input.leads.filter((lead) => !recorded.includes(lead) && !derived.includes(lead));
  if (recorded.length + derived.length === 0) {
    throw new Error(`none of the leads of this model is in the recording, which has ` +
      `${available.join(", ")}. Name the leads if the file names them wrongly.`);
  }
  if (absent.length > 0 && input.lead_mode === "exact") {
    throw new Error(`this model needs ${input.leads.join(", ")}; ${absent.join(", ")} is missing`);
  }
  return { rows: input.leads, recorded, derived, absent };
}

const NEAREST = { II: ["MLII"], MLII: ["II"] };

function chooseSingleLead(available, trained, canDerive) {
  for (const name of trained) {
    for (const found of [name, ...(NEAREST[name] ?? [])]) {
      if (available.includes(found)) return found;
    }
    if (canDerive && isLimbLead(name)) return name;
  }
  for (const name of FACTS.leads.preference) if (available.includes(name)) return name;
  if (available.length === 1) return available[0];
  throw new Error(`this model reads one lead, and the recording has none of ` +
    `${[...trained, "I", "II"].join(", ")} but ${available.join(", ")}`);
}
