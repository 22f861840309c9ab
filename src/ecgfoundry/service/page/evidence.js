// Where on the trace an item of evidence was measured: stretches of time, each of a lead.

// Ends of a part of one beat, in s of the recording; null where the beat does not have it.
function endsOf(beats, index, reading) {
  const beat = beats[index], { waves } = reading;
  const usual = (name) => (waves[name] === undefined ? null : beat.time_s + waves[name]);
  const own = {
    p_onset: beat.p_s, p_offset: beat.p_s === null ? null : usual("p_offset"),
    qrs_onset: beat.qrs_onset_s ?? usual("qrs_onset"), qrs_offset: beat.qrs_offset_s ?? usual("qrs_offset"),
    t_onset: usual("t_onset"), t_offset: beat.t_offset_s ?? usual("t_offset"),
    beat: beat.time_s, beat_before: index > 0 ? beats[index - 1].time_s : null,
  };
  const segment = waves.st_end - waves.qrs_offset;
  own.st_end = own.qrs_offset === null || !(segment > 0) ? null : own.qrs_offset + segment;
  return own;
}

function beatsOf(item, beats) {
  if (item.beats.length) return item.beats.filter((index) => index < beats.length);
  if (typeof item.beat === "number") return item.beat < beats.length ? [item.beat] : [];
  const all = beats.map((_, index) => index);
  return item.beat === "median" ? all.filter((index) => (beats[index].template ?? 0) === 0) : all;
}

// ``item``: evidence of a reading; ``leads`` [null] is the rhythm strip, "*" every lead there is.
export function stretchesOf(item, beats, reading) {
  const ends = reading.stretches[item.stretch];
  if (!ends) return [];
  const leads = item.leads.length ? item.leads : [typeof item.beat === "number" ? "*" : null];
  return beatsOf(item, beats).flatMap((index) => {
    const places = endsOf(beats, index, reading);
    const [from, to] = ends.map((name) => places[name]);
    return from === null || to === null || !(to > from) ? [] : leads.map((lead) => ({ lead, from, to }));
  });
}

// All that a statement rests on; the same stretch once, however many values were measured there.
export function stretchesOfStatement(statement, beats, reading) {
  const found = new Map();
  for (const item of statement.evidence.filter((one) => one.met)) {
    for (const stretch of stretchesOf(item, beats, reading)) {
      found.set(`${stretch.lead} ${stretch.from.toFixed(3)} ${stretch.to.toFixed(3)}`, stretch);
    }
  }
  return [...found.values()].sort((a, b) => a.from - b.from);
}
