// The spans of a run as rows: parents before what stands below them, in order of their start.

/**
 * Every span that `matches`, in the order of the tree; `depth` counts those above that match. `below` is
 * what a span's subtree comes to, whatever of it matches.
 */
export function arranged(spans, matches = () => true) {
  const known = new Set(spans.map((span) => span.id));
  const below = new Map();
  for (const span of [...spans].sort(byStart)) {
    const parent = known.has(span.parent) ? span.parent : null;
    if (!below.has(parent)) below.set(parent, []);
    below.get(parent).push(span);
  }
  // A stack and no recursion: a chain of ten thousand spans is a tree as well.
  const rows = [];
  const seen = [];
  const open = (below.get(null) ?? []).map((span) => [span, 0]).reverse();
  while (open.length) {
    const [span, depth] = open.pop();
    const isRow = matches(span);
    const row = { span, depth, below: { tokens: 0, failed: 0 } };
    seen.push(row);
    if (isRow) rows.push(row);
    const children = below.get(span.id) ?? [];
    for (let i = children.length - 1; i >= 0; i -= 1) open.push([children[i], depth + isRow]);
  }
  addUp(seen);
  return rows;
}

/** What a span counts itself stands for all below it: an agent's own count has its models' in it. */
function addUp(seen) {
  const byId = new Map(seen.map((row) => [row.span.id, row]));
  for (let i = seen.length - 1; i >= 0; i -= 1) {
    const { span, below } = seen[i];
    const above = byId.get(span.parent)?.below;
    if (!above) continue;
    above.tokens += span.tokens ?? below.tokens;
    above.failed += below.failed + (span.status === 'failed');
  }
}

/** The span in which began what ended a run as failed: from the root down, the last that failed. */
export function causeOf(spans) {
  const ids = new Set(spans.map(({ id }) => id));
  const failed = new Map();
  for (const span of spans) {
    const parent = ids.has(span.parent) ? span.parent : null;
    if (span.status === 'failed' && !(failed.get(parent)?.started_at > span.started_at)) failed.set(parent, span);
  }
  let found = failed.get(null) ?? null;
  while (found && failed.has(found.id)) found = failed.get(found.id);
  return found;
}

// All times have one form, so they sort as texts; those of one moment stay as they came.
const byStart = (a, b) => (a.started_at < b.started_at ? -1 : a.started_at > b.started_at ? 1 : 0);

/** The rows without those below a folded one; of each, how many `hidden` rows it stands for. */
export function folded(rows, closed) {
  const left = [];
  let within = null;
  rows.forEach(({ span, depth, below }, index) => {
    if (within && depth > within.depth) {
      within.hidden += 1;
      return;
    }
    const row = { span, depth, below, hidden: 0, isParent: rows[index + 1]?.depth > depth };
    within = row.isParent && closed.has(span.id) ? row : null;
    left.push(row);
  });
  return left;
}

/** The ids of all rows with others below them. */
export const parents = (rows) =>
  rows.filter(({ depth }, i) => rows[i + 1]?.depth > depth).map(({ span }) => span.id);

/** The ids of the rows above the one of this index, the nearest first. */
export function above(rows, index) {
  const found = [];
  let depth = rows[index].depth;
  for (let i = index - 1; i >= 0 && depth > 0; i -= 1) {
    if (rows[i].depth < depth) {
      depth = rows[i].depth;
      found.push(rows[i].span.id);
    }
  }
  return found;
}

/** The id of the nearest failed span in a direction, round the end; null without any. */
export function nextError(rows, id, step) {
  const start = rows.findIndex(({ span }) => span.id === id);
  const from = start < 0 && step < 0 ? 0 : start;
  for (let i = 1; i <= rows.length; i += 1) {
    const row = rows[(((from + i * step) % rows.length) + rows.length) % rows.length];
    if (row.span.status === 'failed') return row.span.id;
  }
  return null;
}
