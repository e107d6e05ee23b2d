// The head of a run: whose it is and how it stands, the question and the answer, and the totals.

import { html, useLayoutEffect, useRef, useState } from './preact.js';
import { count, line, moment, shown } from './format.js';
import { Duration, Status, Text } from './parts.js';
import { backToRuns, toRun } from './router.js';
import { Quality, Terminate, Thumbs } from './steer.js';

/** `cause` is the span in which a failure began, where there is one. */
export function Head({ id, detail, cause, reload }) {
  const run = detail?.run;
  const failure = run?.status === 'failed' && cause;
  return html`<header class="run-head">
    <div class="run-title">
      <a class="back" href=${backToRuns()} aria-label="All runs">←</a>
      <h1>${run ? line(run.agent_name, 80) : ' '}</h1>
      ${run && html`<${Facts} run=${run} />`}
      <span class="grow"></span>
      ${run && html`<${Actions} id=${id} detail=${detail} reload=${reload} />`}
    </div>
    <div class="talk">
      <${Said} label="Asked" text=${detail?.question} empty=${detail ? 'No question is told' : ''} />
      ${(detail?.answer || !failure) && html`<${Said} label="Answered" text=${detail?.answer} empty=${run ? unanswered(run) : ''} />`}
      ${failure && html`<p class="said is-failed"><b>Failed</b><a class="said-line" href=${toRun(id, cause.id)}>${line(cause.error ?? cause.name)}</a></p>`}
    </div>
    <div class="totals">${detail && html`<${Totals} detail=${detail} />`}</div>
  </header>`;
}

const unanswered = (run) => (run.finished_at ? 'No answer is told' : 'Not yet');

const Facts = ({ run }) => html`<${Status} of=${run.status} />
  ${run.termination_reason && html`<span class="reason" title=${shown(run.termination_reason)}>${line(run.termination_reason, 200)}</span>`}
  <span class="muted">${line(run.purpose, 40)}</span>
  <span class="muted" title=${run.started_at}>${moment(run.started_at)}</span>
  <span class="muted"><${Duration} from=${run.started_at} to=${run.finished_at} /></span>`;

const Actions = ({ id, detail, reload }) => html`<div class="actions">
  <${Thumbs} detail=${detail} onDone=${reload} />
  <${Quality} id=${id} detail=${detail} onDone=${reload} />
  ${detail.run.status === 'active' && html`<${Terminate} id=${id} onDone=${reload} />`}
</div>`;

/** A line of what was said, which opens to all of it: so that the rows below keep their place. */
function Said({ label, text, empty }) {
  const [isOpen, setOpen] = useState(false);
  const [isCut, setCut] = useState(false);
  const lineOf = useRef(null);
  useLayoutEffect(() => {
    const look = () => lineOf.current && setCut(lineOf.current.scrollWidth > lineOf.current.clientWidth);
    look();
    addEventListener('resize', look);
    return () => removeEventListener('resize', look);
  }, [text, isOpen]);
  if (!text) return html`<p class="said"><b>${label}</b><span class="muted">${empty}</span></p>`;
  return html`<div class="said">
    <b>${label}</b>
    ${isOpen ? html`<${Text} value=${text} />` : html`<span ref=${lineOf} class="said-line" dir="auto">${line(text, 600)}</span>`}
    ${(isOpen || isCut || text.includes('\n')) &&
    html`<button type="button" class="quiet" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
      ${isOpen ? 'Less' : 'More'}<span class="sr"> of what was ${label.toLowerCase()}</span>
    </button>`}
  </div>`;
}

const Total = ({ name, value, of: whole }) =>
  html`<span class="total"><b>${count(value)}</b> ${name}${whole > 0 && value > 0 && html` <span class="muted">(${Math.round((value / whole) * 100)}%)</span>`}</span>`;

/** The older form of qualities: one object, whose fields are their names. */
const olderQuality = ({ quality_payload: older }) =>
  Object.entries(older ?? {}).map(([name, payload]) => ({ name, payload }));

const Totals = ({ detail: { run, instance, totals, quality, alerts } }) => html`
  <span class="total"><b>${count(run.spans)}</b> ${run.spans === 1 ? 'span' : 'spans'}</span>
  ${run.errors > 0 && html`<span class="total is-failed"><b>${count(run.errors)}</b> ${run.errors === 1 ? 'error' : 'errors'}</span>`}
  ${totals.total > 0 &&
  html`<${Total} name="input" value=${totals.input} />
    ${totals.cached > 0 && html`<${Total} name="cached" value=${totals.cached} of=${totals.input} />`}
    <${Total} name="output" value=${totals.output} />
    ${totals.reasoning > 0 && html`<${Total} name="reasoning" value=${totals.reasoning} of=${totals.output} />`}`}
  ${totals.models.map((model) => html`<span class="chip">${line(model, 60)}</span>`)}
  ${[...quality, ...olderQuality(instance)].map((each) => html`<span class="chip quality" title=${shown(JSON.stringify(each.payload, null, 1))}>${line(each.name, 40)}: ${peek(each.payload)}</span>`)}
  ${alerts.map((alert) => html`<span class="chip ${alert.status === 'cleared' ? '' : 'alert'}" title=${shown(JSON.stringify(alert.payload ?? {}, null, 1))}>
    ${line(alert.severity ?? 'alert', 20)}: ${line(alert.name, 60)}${alert.status === 'cleared' && ' (cleared)'}
  </span>`)}`;

const peek = (payload) => {
  if (payload === null || typeof payload !== 'object') return line(payload, 60);
  const values = Object.entries(payload);
  const [name, value] = values[0] ?? ['', ''];
  return line(`${name} ${typeof value === 'object' ? JSON.stringify(value) : value}${values.length > 1 ? ' …' : ''}`, 60);
};

