// One span, whole: what it was asked and answered, how it ended, what it counts and carries.

import { html, useEffect, useErrorBoundary, useMemo, useRef } from './preact.js';
import { Chat } from './chat.js';
import { count, duration, kindOf, line, millis, shown, typeOf } from './format.js';
import { Json } from './json.js';
import { conversationOf } from './messages.js';
import { Copy, Fold, Notice, Status, Text, Type } from './parts.js';
import { toRun } from './router.js';
import { useSpan } from './store.js';
import { Thumbs } from './steer.js';

/** The panel of a span, beside the rows of its run, whose outlines `spans` are; `run` is the detail of that. */
export function SpanPanel({ run, id, spans, start, onClose, onOpen, onRated }) {
  const outline = useMemo(() => spans.find((span) => span.id === id), [spans, id]);
  const { detail, error } = useSpan(id, outline);
  const panel = useRef(null);
  useEffect(() => {
    panel.current.scrollTop = 0;
  }, [id]);
  if (detail && run && detail.agent_instance_id !== run.run.id) {
    return html`<aside ref=${panel} class="panel" aria-label="Span" tabindex="-1">
      <header class="panel-head"><${Close} onClose=${onClose} /></header>
      <${Elsewhere} run=${detail.agent_instance_id} id=${id} />
    </aside>`;
  }
  const isOld = detail && detail.span.id !== id;
  return html`<aside ref=${panel} class="panel" aria-label="Span" aria-busy=${(!detail && !error) || isOld} tabindex="-1">
    ${detail
      ? html`<${Head} span=${detail.span} run=${run} start=${start} onClose=${onClose} onRated=${onRated} />
          <${Safely} key=${detail.span.id} detail=${detail}><${Body} ...${detail} spans=${spans} onOpen=${onOpen} /><//>`
      : html`<header class="panel-head"><${Close} onClose=${onClose} /></header>`}
    ${error && html`<${Unread} error=${error} onClose=${onClose} />`}
  </aside>`;
}

const Unread = ({ error, onClose }) => html`<${Notice} title=${error.status === 404 ? 'There is no such span' : 'This span cannot be read'}>
  <p>${error.status === 404 ? 'It may be in another database, or the address is not whole.' : shown(error.message)}</p>
  <p><button type="button" onClick=${onClose}>Show the run</button></p>
<//>`;

/** A span that is there, but in another run than the address says. */
const Elsewhere = ({ run, id }) => html`<${Notice} title="This span is in another run">
  <p><a href=${toRun(run, id)}>Show it there</a></p>
<//>`;

const Close = ({ onClose }) =>
  html`<button type="button" class="quiet close" aria-label="Close the span" onClick=${onClose}>✕</button>`;

function Head({ span, run, start, onClose, onRated }) {
  const [began, ended] = [millis(span.started_at), millis(span.finished_at)];
  return html`<header class="panel-head">
    <div class="panel-title">
      <${Type} of=${span.schema_name} />
      <h2 title=${line(nameOf(span), 1000)}>${line(nameOf(span))}</h2>
      <${Close} onClose=${onClose} />
    </div>
    <div class="panel-facts">
      <${Status} of=${span.status} />
      <span>${span.finished_at ? duration(ended - began) : 'open'}</span>
      ${isFilled(span.payload?.token_usage) && html`<${Counts} of=${span.payload.token_usage} />`}
      <span class="muted" title=${span.started_at}>at +${duration(began - start)}</span>
      <span class="grow"></span>
      ${run && html`<${Thumbs} detail=${run} span=${span.id} onDone=${onRated} />`}
      <${Copy} label="Copy link" text=${() => location.href} />
    </div>
  </header>`;
}

const Counts = ({ of: { prompt_tokens: asked, completion_tokens: answered } }) =>
  (asked > 0 || answered > 0) && html`<span title="Tokens">${count(asked)} in, ${count(answered)} out</span>`;

const nameOf = (span) => span.payload?.name ?? span.schema_title ?? span.schema_name;

/** A shape that nobody has thought of must not take the page with it: it is shown as it is. */
function Safely({ detail, children }) {
  const [error] = useErrorBoundary();
  if (!error) return children;
  return html`<${Notice} title="This span has a shape that the page does not know">
      <p>Below is all of it, as JSON.</p>
    <//><${Json} value=${detail.span} />`;
}

/** Fields of our own payloads that have a place; what else a payload holds is shown as it is. */
const PLACED = ['span_id', 'trace_id', 'parent_span_id', 'name', 'status', 'inputs', 'outputs'].concat(
  ['token_usage', 'error', 'metadata'],
);

function Body({ span, why, spans, onOpen }) {
  const payload = span.payload ?? {};
  const error = errorOf(span);
  const outputs = outputsOf(span, error);
  const usage = payload.token_usage;
  const others = without(payload, PLACED);
  return html`<div class="panel-body">
    ${error && html`<${Failure} error=${error} />`}
    ${span.schema_mismatches?.length > 0 && html`<${Mismatches} found=${span.schema_mismatches} />`}
    <${Content} span=${span} inputs=${payload.inputs} outputs=${outputs} spans=${spans} onOpen=${onOpen} />
    ${isFilled(usage) && html`<${Usage} usage=${usage} details=${payload.metadata?.usage_details} />`}
    ${isFilled(others) && html`<${Fold} title="Other fields" isOpen=${true}><${Json} value=${others} /><//>`}
    ${isFilled(payload.metadata) && html`<${Fold} title="Metadata"><${Json} value=${payload.metadata} depth=${1} /><//>`}
    ${why?.length > 0 && html`<${Why} why=${why} />`}
    <${Fold} title="Raw">
      <h4>Payload</h4><${Json} value=${span.payload} depth=${1} />
      <h4>Result</h4><${Json} value=${span.result_payload} depth=${1} />
      <h4>Record</h4><${Json} value=${without(span, ['payload', 'result_payload'])} depth=${1} />
    <//>
  </div>`;
}

const isFilled = (value) => value !== null && typeof value === 'object' && Object.keys(value).length > 0;

const without = (value, names) =>
  Object.fromEntries(Object.entries(value).filter(([name]) => !names.includes(name)));

function errorOf({ payload, result_payload: result, status }) {
  if (payload?.error) return payload.error;
  return status === 'failed' && isFilled(result) && 'error_type' in result ? result : null;
}

/** The result says what came out; the payload does of a span that was created at its end. */
function outputsOf({ payload, result_payload: result }, error) {
  if (isFilled(payload?.outputs)) return payload.outputs;
  return isFilled(result) && !(error && 'error_type' in result) ? result : undefined;
}

function Failure({ error }) {
  if (!isFilled(error)) return html`<section class="failure"><${Text} value=${error} /></section>`;
  const { error_type: type, message, stacktrace, ...rest } = error;
  return html`<section class="failure" aria-label="Error">
    <header><h3>${line(type ?? 'Error', 120)}</h3><${Copy} text=${() => stacktrace || `${type}: ${message}`} /></header>
    ${message && html`<${Text} value=${message} />`}
    ${stacktrace && html`<${Fold} title="Stack trace"><${Text} class="code" value=${stacktrace} longest=${20_000} /><//>`}
    ${isFilled(rest) && html`<${Json} value=${rest} />`}
  </section>`;
}

const Mismatches = ({ found }) => html`<section class="mismatches">
  <h3>Not as its type declares</h3>
  <ul>${found.map((text) => html`<li>${shown(text)}</li>`)}</ul>
</section>`;

function Content({ span, inputs, outputs, spans, onOpen }) {
  if (kindOf(span.schema_name) === 'tool') {
    return html`<section class="call-sides wide">
      <div><h3>Arguments</h3>${isFilled(inputs) ? html`<${Json} value=${inputs} />` : html`<${Nothing} />`}</div>
      <div><h3>Result</h3>${outputs === undefined ? html`<${Nothing} span=${span} />` : html`<${Json} value=${onlyOutput(outputs)} />`}</div>
    </section>`;
  }
  const told = conversationOf(inputs, outputs);
  const [facts, left] = factsOf(told.inputs, told.outputs, span.payload?.metadata);
  return html`${facts.length > 0 && html`<p class="facts">${facts.map(([name, value]) => html`<span><span class="muted">${line(name, 60)}</span> ${line(value, 120)}</span>`)}</p>`}
    ${told.messages.length > 0 &&
    html`<${Chat} key=${span.id} messages=${told.messages} made=${madeBy(span, spans, told.messages)} onOpen=${onOpen} />`}
    <${Rest} title="Inputs" value=${left.inputs} />
    <${Rest} title="Outputs" value=${left.outputs} />
    ${!told.messages.length && !isFilled(inputs) && outputs === undefined &&
    html`<p class="muted">This span carries neither inputs nor outputs.</p>`}`;
}

/** Settings of a call and how it ended, which are read at a glance; and what else there is. */
function factsOf(inputs, outputs, metadata) {
  const { parameters, ...others } = isFilled(inputs) ? inputs : {};
  const facts = [];
  const take = (from) =>
    Object.fromEntries(
      Object.entries(from).filter(([name, value]) => {
        const isFact = value !== null && typeof value !== 'object' && String(value).length <= FACT;
        if (isFact) facts.push([name, value]);
        return !isFact;
      }),
    );
  const asked = Array.isArray(inputs) ? inputs : take(others);
  const settings = isFilled(parameters) ? take(parameters) : {};
  const answered = isFilled(outputs) && !Array.isArray(outputs) ? take(outputs) : outputs;
  if (isFilled(settings)) asked.parameters = settings;
  if (isFilled(metadata)) take(Object.fromEntries(LABELS.filter((name) => name in metadata).map((name) => [name, metadata[name]])));
  return [facts, { inputs: asked, outputs: answered }];
}

/** What the metadata says that is read at a glance as well. */
const LABELS = ['provider', 'response_model', 'time_to_first_token', 'cost', 'session_id', 'user_id'];
/** Characters of a value that is shown as a fact. */
const FACT = 60;

/**
 * The spans in which the calls of a model's answer were carried out, by the id of the call: those
 * of the tool's name that began after the answer, in their order. No span says so itself.
 */
function madeBy(span, spans, messages) {
  const made = new Map();
  if (!span.finished_at) return made;
  const later = spans
    .filter((each) => typeOf(each.type) === 'tool' && each.started_at >= span.finished_at)
    .sort((a, b) => a.startMs - b.startMs);
  for (const { call } of messages.flatMap(({ parts }) => parts)) {
    if (!call || call.result || call.id === undefined) continue;
    const index = later.findIndex((each) => each.name === call.name);
    if (index >= 0) made.set(call.id, later.splice(index, 1)[0]);
  }
  return made;
}

const Nothing = ({ span }) => html`<p class="muted">${span && !span.finished_at ? 'Not yet' : 'None'}</p>`;

/** A result that is one field named `output` is that field. */
const onlyOutput = (outputs) => (Object.keys(outputs).join() === 'output' ? outputs.output : outputs);

const Rest = ({ title, value }) =>
  isFilled(value) && html`<section><h3>${title}</h3><${Json} value=${value} /></section>`;

const COUNTS = {
  prompt_tokens: 'Input',
  cached_tokens: 'of it cached',
  cache_write_tokens: 'of it written to the cache',
  completion_tokens: 'Output',
  reasoning_tokens: 'of it reasoning',
  total_tokens: 'Total',
};

function Usage({ usage, details }) {
  const known = Object.keys(COUNTS).filter((name) => name in usage);
  const others = without(usage, known);
  return html`<section class="usage">
    <h3>Tokens</h3>
    <dl>
      ${known.map(
        (name) => html`<div class=${COUNTS[name].startsWith('of') ? 'part' : ''}>
          <dt>${COUNTS[name]}</dt><dd>${count(usage[name])}</dd>
        </div>`,
      )}
    </dl>
    ${isFilled({ ...others, ...details }) && html`<${Json} value=${{ ...others, ...details }} />`}
  </section>`;
}

const Why = ({ why }) => html`<${Fold} title="Why is this here">
  <dl class="why">
    ${why.map(
      ({ shown: place, from, because }) => html`<div>
        <dt>${shown(place)}</dt>
        <dd>${shown([].concat(from).join(', '))} ${because && html`<span class="muted">${shown(because)}</span>`}</dd>
      </div>`,
    )}
  </dl>
<//>`;
