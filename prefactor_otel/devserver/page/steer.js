// What a person does to a run: stop it, and say how good it was.

import { html, useEffect, useRef, useState } from './preact.js';
import { write } from './api.js';
import { Dialog } from './parts.js';
import { filled, payloadIn, QualityFields } from './quality.js';

const api = (id, action) => `/api/v1/agent_instance/${encodeURIComponent(id)}/${action}`;

/**
 * A button that opens a form; the form stays, with what was said, when the server refuses. `fields` makes
 * what is in it from what is wrong with each; `other` is the name of a second button, and what that sends.
 */
function Action({ label, title, class: name = '', fields, send, submit, other, onDone }) {
  const [isOpen, setOpen] = useState(false);
  const [{ error, isSending }, setState] = useState({ error: null, isSending: false });
  const form = useRef(null);
  useEffect(() => form.current?.querySelector('[aria-invalid="true"]')?.focus(), [error]);
  const close = () => setOpen(false);
  const start = () => {
    setState({ error: null, isSending: false });
    setOpen(true);
  };
  const sent = async (how) => {
    setState({ error: null, isSending: true });
    try {
      await how(filled(form.current));
      close();
      onDone?.();
    } catch (refused) {
      setState({ error: refused, isSending: false });
    }
  };
  const submitted = (event) => {
    event.preventDefault();
    sent(send);
  };
  return html`<button type="button" class=${name} onClick=${start}>${label}</button>
    ${isOpen &&
    html`<${Dialog} title=${title} onClose=${close}>
      <form ref=${form} onSubmit=${submitted} onKeyDown=${submits}>
        ${fields(error?.faults ?? {})}
        ${error && html`<p class="form-error" role="alert">${error.message}</p>`}
        <footer>
          ${other && html`<button type="button" disabled=${isSending} onClick=${() => sent(other[1])}>${other[0]}</button>`}
          <button type="submit" class="primary ${name}" disabled=${isSending}>${submit}</button>
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
  fields=${() => html`<p>The agent stops at its next step. This cannot be undone; the reason stays with the run.</p>
    <label>Reason<textarea name="reason" rows="3" required autofocus></textarea></label>`}
/>`;

async function terminate(id, reason) {
  if (!reason) throw new Error('Say why: the reason stays with the run.');
  await write(api(id, 'terminate'), { reason });
}

/** Records one of the qualities that the run has declared, or takes back what is recorded of it. */
export function Quality({ id, detail: { qualities, quality }, onDone }) {
  if (!qualities.length) return null;
  const known = Object.fromEntries(quality.map((each) => [each.name, each.payload]));
  const record = (name, payload) => write(api(id, 'record_quality'), { name, payload });
  return html`<${Action}
    label="Quality"
    title="Record a quality"
    submit="Record"
    onDone=${onDone}
    send=${(texts) => record(texts.name, payloadIn(qualities, texts))}
    other=${quality.length > 0 && ['Remove', ({ name }) => record(name, null)]}
    fields=${(faults) => html`<${QualityFields} qualities=${qualities} known=${known} faults=${faults} />`}
  />`;
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
      fields=${() => html`<label>Why, if you like<textarea name="comment" rows="3" autofocus></textarea></label>`}
    />`,
  )}
</span>`;

/**
 * Feedback is a span while the run takes any, for dashboards count it there; then it is a quality of
 * the run, and where none is declared for it, part of the older form that needs no declaration.
 */
async function rate({ run, instance, qualities }, feedback) {
  try {
    await write('/api/v1/agent_spans', asSpan(run.id, feedback));
  } catch (refused) {
    if (!refused.status || refused.status >= 500) throw refused;
    if (qualities.some(({ name }) => name === FEEDBACK)) {
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
