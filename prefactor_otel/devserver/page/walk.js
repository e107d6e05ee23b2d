// The way through the rows of a run: which are shown, on which one the keys act, what is folded.

import { useCallback, useMemo, useState } from './preact.js';
import { useKeys } from './keys.js';
import { backToRuns, go, toRun } from './router.js';
import { above, arranged, folded, nextError, parents } from './tree.js';

const matcher = ({ ai, find }) => {
  const text = find?.toLowerCase();
  return (span) =>
    (!ai || span.ai) && (!text || `${span.type} ${span.name} ${span.error ?? ''}`.toLowerCase().includes(text));
};

/**
 * The rows of a run's `spans`, and what is done with them; the address holds the span whose panel is
 * open (`spanId`) and the `filter`. Binds the keys, with `search` for the one that searches.
 */
export function useWalk({ id, spans, spanId, filter, search }) {
  const [walked, setWalked] = useState(null);
  const [moves, setMoves] = useState(0);
  const all = useMemo(() => arranged(spans, matcher(filter)), [spans, filter.ai, filter.find]);
  const { rows, isFolded, fold, foldAll } = useFolds(all);
  const cursor = spanId ?? walked;

  // From one span to the next the address is replaced: the way back leads out of the panel.
  const open = (span) => go(toRun(id, span, filter), { replace: Boolean(spanId) });
  const close = () => {
    setWalked(spanId);
    go(toRun(id, null, filter));
  };
  const setFilter = (change) => go(toRun(id, spanId, { ...filter, ...change }), { replace: true });
  const indexIn = (list) => list.findIndex(({ span }) => span.id === cursor);

  /** To a row: the keys go on from there, and a panel that is open shows it. */
  const to = (span) => {
    if (!span) return;
    setMoves((before) => before + 1);
    const index = all.findIndex((row) => row.span.id === span);
    if (index >= 0) above(all, index).forEach((parent) => fold(parent, false));
    if (spanId) open(span);
    else setWalked(span);
  };
  const step = (by) => {
    const index = indexIn(rows);
    const next = index < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, index + by));
    to(rows[next]?.span.id);
  };
  const inwards = () => fold(cursor, false);
  const outwards = () => {
    const row = rows[indexIn(rows)];
    if (!row) return;
    if (row.isParent && !row.hidden) fold(cursor, true);
    else to(above(all, indexIn(all))[0]);
  };
  const toError = (by) => to(nextError(all, cursor, by));
  const toggleAi = () => setFilter({ ai: filter.ai ? '' : '1' });

  useKeys({
    ...{ j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1) },
    ...{ h: outwards, ArrowLeft: outwards, l: inwards, ArrowRight: inwards, c: foldAll },
    Home: () => to(rows[0]?.span.id),
    End: () => to(rows.at(-1)?.span.id),
    Enter: () => cursor && open(cursor),
    Escape: () => (spanId ? close() : filter.find ? setFilter({ find: '' }) : go(backToRuns())),
    ...{ '/': search, n: () => toError(1), N: () => toError(-1), a: toggleAi },
  });
  return { all, rows, cursor, moves, isFolded, open, close, fold, foldAll, toError, toggleAi, setFilter };
}

/** The rows that are left where some are folded, and how these are folded and unfolded. */
function useFolds(all) {
  const [closed, setClosed] = useState(new Set());
  const rows = useMemo(() => folded(all, closed), [all, closed]);
  const fold = useCallback((span, isClosed) => {
    setClosed((now) => {
      const next = new Set(now);
      if (isClosed ?? !next.has(span)) next.add(span);
      else next.delete(span);
      return next;
    });
  }, []);
  const foldAll = () => setClosed((now) => new Set(now.size ? [] : parents(all)));
  return { rows, isFolded: closed.size > 0, fold, foldAll };
}
