// A run: what was asked and answered, and every span of it as it happens.

import { html, useEffect, useMemo, useRef } from './preact.js';
import { count, counted, line } from './format.js';
import { Head } from './head.js';
import { Notice } from './parts.js';
import { backToRuns } from './router.js';
import { SpanPanel } from './span.js';
import { useRun } from './store.js';
import { causeOf } from './tree.js';
import { useWalk } from './walk.js';
import { Waterfall } from './waterfall.js';

export function Run({ id, spanId, filter }) {
  const run = useRun(id);
  useTitle(run.detail);
  const cause = useMemo(() => causeOf(run.spans), [run.spans]);
  if (run.error && !run.isRead) return html`<${Unread} error=${run.error} />`;
  return html`<main class="run ${spanId ? 'has-panel' : ''}">
    <${Head} id=${id} detail=${run.detail} cause=${cause} reload=${run.reload} />
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

function Spans({ run, id, spanId, filter }) {
  const { spans, detail, isRead } = run;
  const find = useRef(null);
  const walk = useWalk({ id, spans, spanId, filter, search: () => find.current.focus() });
  const start = useMemo(() => spans.reduce((least, span) => Math.min(least, span.startMs), Infinity), [spans]);
  const isOpen = detail?.run.status === 'active' || detail?.run.status === 'pending';
  return html`<div class="split">
    <section class="spans" aria-label="Waterfall">
      <${Waterfall}
        spans=${spans}
        rows=${walk.rows}
        isOpen=${isOpen}
        cursor=${walk.cursor}
        moves=${walk.moves}
        open=${spanId}
        onOpen=${walk.open}
        onFold=${walk.fold}
      >
        <${Toolbar} walk=${walk} spans=${spans} isRead=${isRead} filter=${filter} find=${find} />
      <//>
      ${isRead && !walk.all.length && html`<${Nothing} isOpen=${isOpen} isFiltered=${spans.length > 0} onAll=${() => walk.setFilter({ find: '', ai: '' })} />`}
    </section>
    ${spanId &&
    html`<${SpanPanel} run=${detail} id=${spanId} spans=${spans} start=${start} onClose=${walk.close} onOpen=${walk.open} onRated=${run.reload} />`}
  </div>`;
}

function Toolbar({ walk, spans, isRead, filter, find }) {
  const errors = useMemo(() => spans.filter((span) => span.status === 'failed').length, [spans]);
  return html`<div class="toolbar">
    <label class="sr" for="find">Find spans in this run</label>
    <input
      id="find"
      ref=${find}
      type="search"
      placeholder="Find spans"
      value=${filter.find ?? ''}
      onInput=${(event) => walk.setFilter({ find: event.currentTarget.value })}
    />
    <button type="button" aria-pressed=${Boolean(filter.ai)} onClick=${walk.toggleAi}>Only AI</button>
    <button type="button" onClick=${walk.foldAll}>${walk.isFolded ? 'Unfold all' : 'Fold all'}</button>
    <button type="button" disabled=${!errors} onClick=${() => walk.toError(1)}>
      Next error${errors > 0 && html` <span class="count">${count(errors)}</span>`}
    </button>
    <span class="grow"></span>
    <span class="muted" role="status">${isRead ? told(walk.all.length, spans.length) : 'Reading…'}</span>
  </div>`;
}

const told = (matching, all) =>
  matching === all ? counted(all, 'span') : `${count(matching)} of ${counted(all, 'span')}`;

function Nothing({ isOpen, isFiltered, onAll }) {
  if (isFiltered) {
    return html`<${Notice} title="No span matches">
      <p><button type="button" onClick=${onAll}>Show all spans</button></p>
    <//>`;
  }
  return html`<${Notice} title=${isOpen ? 'No spans yet' : 'No spans'}>
    <p>${isOpen ? 'They appear here as the agent works.' : 'This run has sent none.'}</p>
  <//>`;
}
