// A run: what was asked and answered, and every span of it as it happens.

import { html, useCallback, useEffect, useMemo, useRef, useState } from './preact.js';
import { counted, line } from './format.js';
import { Head } from './head.js';
import { useKeys } from './keys.js';
import { Notice } from './parts.js';
import { backToRuns, go, toRun } from './router.js';
import { SpanPanel } from './span.js';
import { useRun } from './store.js';
import { above, arranged, folded, nextError, parents } from './tree.js';
import { Waterfall } from './waterfall.js';

export function Run({ id, spanId, filter }) {
  const run = useRun(id);
  useTitle(run.detail);
  if (run.error && !run.isRead) return html`<${Unread} error=${run.error} />`;
  return html`<main class="run ${spanId ? 'has-panel' : ''}">
    <${Head} id=${id} detail=${run.detail} reload=${run.reload} />
    <${Spans} key=${id} run=${run} id=${id} spanId=${spanId} filter=${filter} />
  </main>`;
}

const Unread = ({ error }) => html`<main>
  <${Notice} title=${error.status === 404 ? 'There is no such run' : 'This run cannot be read'}>
    <p>${error.status === 404 ? 'It may be in another database, or its server kept it in memory and has ended.' : error.message}</p>
    <p><a href=${backToRuns()}>All runs</a></p>
  <//>
</main>`;

function useTitle(detail) {
  useEffect(() => {
    if (detail) document.title = `${line(detail.run.agent_name, 60)} · ${line(detail.question ?? detail.run.status, 60)}`;
  }, [detail?.run.id, detail?.question]);
}

const matcher = ({ ai, find }) => {
  const text = find?.toLowerCase();
  return (span) =>
    (!ai || span.ai) && (!text || `${span.type} ${span.name} ${span.error ?? ''}`.toLowerCase().includes(text));
};

function Spans({ run, id, spanId, filter }) {
  const { spans, detail, isRead } = run;
  const [closed, setClosed] = useState(new Set());
  const [walked, setWalked] = useState(null);
  const cursor = spanId ?? walked;
  const all = useMemo(() => arranged(spans, matcher(filter)), [spans, filter.ai, filter.find]);
  const rows = useMemo(() => folded(all, closed), [all, closed]);
  const find = useRef(null);

  const show = useCallback((span) => go(toRun(id, span, filter), { replace: Boolean(spanId && span) }), [id, spanId, filter]);
  const filtered = (change) => go(toRun(id, spanId, { ...filter, ...change }), { replace: true });
  const fold = useCallback((span, close) => {
    setClosed((now) => {
      const next = new Set(now);
      if (close ?? !next.has(span)) next.add(span);
      else next.delete(span);
      return next;
    });
  }, []);
  const close = () => {
    setWalked(spanId);
    show(null);
  };
  /** To a row: the keys walk on from there, and a panel that is open shows it. */
  const walk = (span) => {
    if (!span) return;
    const index = all.findIndex((row) => row.span.id === span);
    if (index >= 0) above(all, index).forEach((parent) => fold(parent, false));
    if (spanId) show(span);
    else setWalked(span);
  };
  const step = (by) => {
    const index = rows.findIndex((row) => row.span.id === cursor);
    const next = index < 0 ? 0 : Math.max(0, Math.min(rows.length - 1, index + by));
    walk(rows[next]?.span.id);
  };
  const here = () => rows.find((row) => row.span.id === cursor);
  const closeHere = () => {
    const row = here();
    if (!row) return;
    if (row.isParent && !row.hidden) fold(cursor, true);
    else walk(above(all, all.findIndex(({ span }) => span.id === cursor))[0]);
  };
  const foldAll = () => setClosed((now) => new Set(now.size ? [] : parents(all)));
  const toError = (by) => walk(nextError(all, cursor, by));
  const toggleAi = () => filtered({ ai: filter.ai ? '' : '1' });

  const [down, up, left, right] = [() => step(1), () => step(-1), closeHere, () => here()?.hidden && fold(cursor, false)];
  useKeys({
    j: down,
    ArrowDown: down,
    k: up,
    ArrowUp: up,
    h: left,
    ArrowLeft: left,
    l: right,
    ArrowRight: right,
    Home: () => walk(rows[0]?.span.id),
    End: () => walk(rows.at(-1)?.span.id),
    Enter: () => cursor && show(cursor),
    Escape: () => (spanId ? close() : go(backToRuns())),
    '/': () => find.current.focus(),
    c: foldAll,
    n: () => toError(1),
    N: () => toError(-1),
    a: toggleAi,
  });

  const errors = useMemo(() => spans.filter((span) => span.status === 'failed').length, [spans]);
  const start = useMemo(() => spans.reduce((least, span) => Math.min(least, span.startMs), Infinity), [spans]);
  const isOpen = detail?.run.status === 'active' || detail?.run.status === 'pending';
  return html`<div class="split">
    <section class="spans" aria-label="Waterfall">
      <div class="toolbar">
        <label class="sr" for="find">Find spans in this run</label>
        <input id="find" ref=${find} type="search" placeholder="Find spans" value=${filter.find ?? ''}
          onInput=${(event) => filtered({ find: event.currentTarget.value })} />
        <button type="button" aria-pressed=${Boolean(filter.ai)} onClick=${toggleAi}>Only AI</button>
        <button type="button" onClick=${foldAll}>${closed.size ? 'Unfold all' : 'Fold all'}</button>
        <button type="button" disabled=${!errors} onClick=${() => toError(1)}>Next error${errors > 0 && html` <span class="count">${errors}</span>`}</button>
        <span class="grow"></span>
        <span class="muted" role="status">${isRead ? told(all.length, spans.length) : 'Reading…'}</span>
      </div>
      <${Waterfall} spans=${spans} rows=${rows} isOpen=${isOpen} cursor=${cursor} open=${spanId} onOpen=${show} onFold=${fold} />
      ${isRead && !spans.length && html`<${Notice} title=${isOpen ? 'No spans yet' : 'No spans'}>
        <p>${isOpen ? 'They appear here as the agent works.' : 'This run has sent none.'}</p>
      <//>`}
      ${isRead && spans.length > 0 && !all.length &&
      html`<${Notice} title="No span matches">
        <p><button type="button" onClick=${() => filtered({ find: '', ai: '' })}>Show all spans</button></p>
      <//>`}
    </section>
    ${spanId && html`<${SpanPanel} run=${detail} id=${spanId} spans=${spans} start=${start} onClose=${close} onOpen=${show} onRated=${run.reload} />`}
  </div>`;
}

const told = (matching, all) =>
  matching === all ? counted(all, 'span') : `${matching.toLocaleString('en')} of ${counted(all, 'span')}`;
