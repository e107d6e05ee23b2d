// What a person does to a run: stop it, and say how good it was.

import { html, useState } from './preact.js';
import { write } from './api.js';
import { Dialog } from './parts.js';

const api = (id, action) => `/api/v1/agent_instance/${encodeURIComponent(id)}/${action}`;

/** A button that opens a form; the form stays, with what was said, when the server refuses. */
function Action({ label, title, class: name = '', children, send, submit, onDone }) {
  const [isOpen, setOpen] = useState(false);
  const [state, setState] = useState({ error: null, isSending: false });
  const close = () => setOpen(false);
  const sent = async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(
      [...new FormData(event.currentTarget)].map(([name, text]) => [name, text.trim()]),
    );
    setState({ error: null, isSending: true });
    try {
      await send(fields);
      setState({ error: null, isSending: false });
      close();
      onDone?.();
    } catch (error) {
      setState({ error: error.message, isSending: false });
    }
  };
  return html`<button type="button" class=${name} onClick=${() => setOpen(true)}>${label}</button>
    ${isOpen &&
    html`<${Dialog} title=${title} onClose=${close}>
      <form onSubmit=${sent} onKeyDown=${submits}>
        ${children}
        ${state.error && html`<p class="form-error" role="alert">${state.error}</p>`}
        <footer>
          <button type="submit" class="primary ${name}" disabled=${state.isSending}>${submit}</button>
        </footer>
      </form>
    <//>`}`;
}

/** Enter sends what is written; where that is code, and with Shift, it begins another line. */
function submits(event) {
  const { key, target, isComposing, shiftKey, ctrlKey, metaKey } = event;
  if (key !== 'Enter' || isComposing || shiftKey || !target.matches('textarea')) return;
  if (target.matches('.code') && !ctrlKey && !metaKey) return;
  event.preventDefault();
  event.currentTarget.requestSubmit();
}

export const Terminate = ({ id, onDone }) => html`<${Action}
  label="Terminate"
  class="danger"
  title="Terminate this run"
  submit="Terminate"
  onDone=${onDone}
  send=${({ reason }) => terminate(id, reason)}
>
  <p>The agent stops at its next step. This cannot be undone; the reason stays with the run.</p>
  <label>Reason<textarea name="reason" rows="3" required autofocus></textarea></label>
<//>`;

async function terminate(id, reason) {
  if (!reason) throw new Error('Say why: the reason stays with the run.');
  await write(api(id, 'terminate'), { reason });
}

/** Records the payload of one of the qualities that the run has declared. */
export function Quality({ id, detail, onDone }) {
  const names = detail.quality_names;
  const [chosen, setName] = useState(null);
  if (!names.length) return null;
  const name = chosen ?? names[0];
  const known = Object.fromEntries(detail.quality.map((each) => [each.name, each.payload]));
  return html`<${Action}
    label="Quality"
    title="Record a quality"
    submit="Record"
    onDone=${onDone}
    send=${({ payload }) => write(api(id, 'record_quality'), { name, payload: parsed(payload) })}
  >
    <label>Name
      <select value=${name} onChange=${(event) => setName(event.currentTarget.value)}>
        ${names.map((each) => html`<option value=${each}>${each}</option>`)}
      </select>
    </label>
    <label>Payload, a JSON object; null removes the record
      <textarea name="payload" rows="6" class="code" spellcheck=${false} key=${name} required autofocus
        value=${JSON.stringify(known[name] ?? {}, null, 2)}></textarea>
    </label>
  <//>`;
}

function parsed(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`The payload is not JSON: ${error.message}`);
  }
  if (Array.isArray(value) || typeof value !== 'object') throw new Error('The payload must be a JSON object, or null.');
  return value;
}

const THUMB = 'M7 21V10l4.2-7.4c1.5 0 2.6 1.2 2.4 2.7L13 9h6a2 2 0 0 1 2 2.3l-1.1 7A2 2 0 0 1 18 20H7M3 10h4v11H3z';
const RATINGS = { up: 'Good', down: 'Bad' };

/** Two buttons that say of a run, or of one of its spans, how good it was. */
export const Thumbs = ({ detail, span, onDone }) => html`<span class="thumbs">
  ${Object.entries(RATINGS).map(
    ([rating, word]) => html`<${Action}
      class="icon"
      label=${html`<svg class=${rating} viewBox="0 0 24 24" aria-hidden="true"><path d=${THUMB} /></svg><span class="sr">${word}</span>`}
      title=${`${word}: say so of this ${span ? 'span' : 'run'}`}
      submit="Record"
      onDone=${onDone}
      send=${({ comment }) => rate(detail, { rating, ...(comment && { comment }), ...(span && { span_id: span }) })}
    >
      <label>Why, if you like<textarea name="comment" rows="3" autofocus></textarea></label>
    <//>`,
  )}
</span>`;

/**
 * Feedback is a span while the run takes any, for dashboards count it there; then it is a quality of
 * the run, and where none is declared for it, part of the older form that needs no declaration.
 */
async function rate({ run, instance, quality_names: names }, feedback) {
  try {
    await write('/api/v1/agent_spans', asSpan(run.id, feedback));
  } catch (refused) {
    if (!refused.status || refused.status >= 500) throw refused;
    if (names.includes(FEEDBACK)) {
      await write(api(run.id, 'record_quality'), { name: FEEDBACK, payload: feedback });
    } else {
      const quality = { ...instance.quality_payload, [FEEDBACK]: feedback };
      await write(`/api/v1/agent_instance/${run.id}`, { details: { quality_payload: quality } }, 'PUT');
    }
  }
}

const FEEDBACK = 'feedback';

const hex = (bytes) =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');

function asSpan(run, feedback) {
  const now = new Date().toISOString();
  const payload = {
    ...{ span_id: hex(8), trace_id: hex(16), name: FEEDBACK, status: 'complete' },
    ...{ inputs: { feedback }, outputs: {}, token_usage: null, error: null, metadata: {} },
  };
  const details = {
    ...{ agent_instance_id: run, schema_name: 'otel:span', parent_span_id: feedback.span_id ?? null },
    ...{ status: 'complete', payload, started_at: now, finished_at: now },
  };
  return { details, idempotency_key: hex(16) };
}
