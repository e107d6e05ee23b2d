// Every run, newest first, as they come and go on.

import { html, useEffect, useLayoutEffect, useRef, useState } from './preact.js';
import { count, counted, line, moment } from './format.js';
import { useKeys } from './keys.js';
import { Duration, Notice, Status } from './parts.js';
import { go, toRun, toRuns } from './router.js';
import { useRuns } from './store.js';
import { at, useNarrow, Windowed } from './windowed.js';

const ROW = 36;
const NARROW_ROW = 84;
const STATUSES = ['active', 'complete', 'failed', 'cancelled', 'terminated', 'pending'];
const PURPOSES = ['live', 'smoke_test', 'eval'];
const PAUSE_MS = 150;

export function Runs({ filter }) {
  const { runs, total, agents, next, error, more } = useRuns(filter);
  const [cursor, setCursor] = useState(null);
  const search = useRef(null);
  useEffect(() => {
    document.title = 'Runs · Prefactor';
  }, []);

  const filtered = (change) => go(toRuns({ ...filter, ...change }), { replace: true });
  const step = (by) => {
    if (!runs?.length) return;
    const index = runs.findIndex((run) => run.id === cursor);
    setCursor(runs[index < 0 ? 0 : Math.max(0, Math.min(runs.length - 1, index + by))].id);
  };
  const [down, up] = [() => step(1), () => step(-1)];
  useKeys({
    j: down,
    ArrowDown: down,
    k: up,
    ArrowUp: up,
    Enter: () => cursor && go(toRun(cursor)),
    Escape: () => (Object.values(filter).some(Boolean) ? go(toRuns()) : setCursor(null)),
    '/': () => search.current.focus(),
  });

  return html`<main class="runs">
    <${Filters} filter=${filter} agents=${agents} total=${runs && total} search=${search} onChange=${filtered} />
    <div class="runs-list">
      <div class="run-row axis" aria-hidden="true">
        <span>Status</span><span>Agent</span><span>First question</span><span class="number">Spans</span>
        <span class="number">Tokens</span><span class="number">Errors</span><span>Purpose</span>
        <span class="number">Duration</span><span class="number">Started</span>
      </div>
      ${runs?.length > 0 && html`<${List} runs=${runs} cursor=${cursor} onFocus=${setCursor} />`}
      ${next && html`<${More} key=${next} more=${more} left=${total - runs.length} />`}
      ${runs && !runs.length && (Object.values(filter).some(Boolean) ? html`<${NoMatch} />` : html`<${NoRuns} />`)}
      ${!runs && error?.status > 0 && html`<${Unread} error=${error} />`}
    </div>
  </main>`;
}

function Filters({ filter, agents, total, search, onChange }) {
  const timer = useRef(0);
  const [text, setText] = useState(filter.q ?? '');
  const typed = (event) => {
    const q = event.currentTarget.value;
    setText(q);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => onChange({ q }), PAUSE_MS);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => setText(filter.q ?? ''), [filter.q]);
  return html`<form class="toolbar" role="search" onSubmit=${(event) => event.preventDefault()}>
    <label class="sr" for="search">Search names, inputs and outputs</label>
    <input id="search" ref=${search} type="search" placeholder="Search names, inputs and outputs" value=${text} onInput=${typed} />
    <${Choice} label="Status" name="status" values=${STATUSES.map((each) => [each, each])} filter=${filter} onChange=${onChange} />
    <${Choice} label="Purpose" name="purpose" values=${PURPOSES.map((each) => [each, each])} filter=${filter} onChange=${onChange} />
    <${Choice} label="Agent" name="agent" values=${agents.map(({ id, name }) => [id, line(name, 60)])} filter=${filter} onChange=${onChange} />
    <span class="grow"></span>
    <span class="muted" role="status">${total !== null && counted(total, 'run')}</span>
  </form>`;
}

/** A filter by one of some values. */
const Choice = ({ label, name, values, filter, onChange }) => html`<select
  aria-label=${label}
  class=${filter[name] ? 'is-set' : ''}
  value=${filter[name] ?? ''}
  onChange=${(event) => onChange({ [name]: event.currentTarget.value })}
>
  <option value="">${label}</option>
  ${values.map(([value, text]) => html`<option key=${value} value=${value} selected=${filter[name] === value}>${text}</option>`)}
</select>`;

const idOf = (run) => run.id;

function List({ runs, cursor, onFocus }) {
  const height = useNarrow() ? NARROW_ROW : ROW;
  // In the same step as the cursor: a focus that came later would take the cursor back, and go on so.
  useLayoutEffect(() => {
    document.getElementById(`run-${cursor}`)?.focus({ preventScroll: true });
  }, [cursor]);
  return html`<${Windowed}
    role="list"
    aria-label="Runs"
    items=${runs}
    keyOf=${idOf}
    height=${height}
    shown=${cursor}
    row=${(run, index) => html`<div role="listitem" key=${run.id} style=${at(index, height)}>
      <${RunRow} run=${run} onFocus=${onFocus} />
    </div>`}
  />`;
}

const RunRow = ({ run, onFocus }) => html`<a id=${`run-${run.id}`} class="run-row" href=${toRun(run.id)} onFocus=${() => onFocus(run.id)}>
  <span class="run-status" title=${run.termination_reason && line(run.termination_reason, 200)}><${Status} of=${run.status} /></span>
  <span class="run-agent">${line(run.agent_name, 60)}</span>
  <span class="run-question" dir="auto">
    ${run.alerts > 0 && html`<span class="chip alert">${counted(run.alerts, 'alert')}</span>`}
    ${run.question ? line(run.question) : html`<span class="muted">–</span>`}
  </span>
  <span class="number run-spans">${count(run.spans)}<span class="unit"> ${run.spans === 1 ? 'span' : 'spans'}</span></span>
  <span class="number run-tokens ${run.tokens.total ? '' : 'is-none'}">${run.tokens.total ? count(run.tokens.total) : '–'}<span class="unit"> tokens</span></span>
  <span class="number run-errors ${run.errors ? 'is-failed' : 'is-none'}">${run.errors ? count(run.errors) : '–'}<span class="unit"> ${run.errors === 1 ? 'error' : 'errors'}</span></span>
  <span class="muted run-purpose">${line(run.purpose, 20)}</span>
  <span class="number run-time"><${Duration} from=${run.started_at} to=${run.finished_at} /></span>
  <span class="number muted run-start" title=${run.started_at}>${moment(run.started_at)}</span>
</a>`;

/** Reads the older runs when the end of the list comes into sight, or when it is asked to. */
function More({ more, left }) {
  const button = useRef(null);
  useEffect(() => {
    const seen = new IntersectionObserver(([entry]) => entry.isIntersecting && more(), { rootMargin: '400px' });
    seen.observe(button.current);
    return () => seen.disconnect();
  }, []);
  return html`<p class="more"><button ref=${button} type="button" onClick=${more}>${counted(left, 'older run')}</button></p>`;
}

const Unread = ({ error }) => html`<${Notice} title="The runs cannot be read">
  <p>${error.message}</p>
  <p><a href=${toRuns()}>Show all runs</a></p>
<//>`;

const NoMatch = () => html`<${Notice} title="No run matches">
  <p><a href=${toRuns()}>Show all runs</a></p>
<//>`;

const NoRuns = () => html`<${Notice} title="No runs yet">
  <p>Point an agent at this server, and its runs appear here by themselves:</p>
  <pre>${`export PREFACTOR_API_URL=${location.origin}
export PREFACTOR_API_TOKEN=…   # prefactor-otel devserver has printed it`}</pre>
  <pre>${`from prefactor_otel import configure

configure()`}</pre>
  <p>An agent to look at first: <code>prefactor-otel demo --open</code></p>
<//>`;
