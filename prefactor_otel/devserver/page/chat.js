// A conversation: who says what, which tools are called with what, and what they answer.

import { html, useState } from './preact.js';
import { counted, duration, line } from './format.js';
import { Json } from './json.js';
import { Copy, Fold, Text } from './parts.js';

/** Of a long conversation, the newest are what somebody looks for. */
const NEWEST = 40;

/** Characters of instructions that are shown at first: they are the longest, and the same in each call. */
const INSTRUCTIONS = 600;

/** `made` has the spans of calls without a result, by the call's id. */
export function Chat({ messages, made = new Map(), onOpen }) {
  const [isWhole, setWhole] = useState(messages.length <= NEWEST);
  const earlier = messages.length - NEWEST;
  return html`<ol class="chat">
    ${!isWhole &&
    html`<li class="chat-earlier">
      <button type="button" class="quiet" onClick=${() => setWhole(true)}>
        Show ${counted(earlier, 'earlier message')}
      </button>
    </li>`}
    ${(isWhole ? messages : messages.slice(earlier)).map(
      (message, index) => html`<li key=${index} class="message from-${roleOf(message)}">
        <${Message} message=${message} made=${made} onOpen=${onOpen} />
      </li>`,
    )}
  </ol>`;
}

const ROLES = new Set(['system', 'developer', 'user', 'assistant', 'tool']);
const roleOf = ({ role }) => (ROLES.has(role) ? role : 'other');

function Message({ message: { role, name, parts, rest }, made, onOpen }) {
  const texts = parts.filter((part) => typeof part.text === 'string').map(({ text }) => text);
  return html`<header>
      <b>${line(role || 'message', 40)}</b>${name && html` <span class="muted">${line(name, 60)}</span>`}
      ${texts.length > 0 && html`<${Copy} text=${() => texts.join('\n')} />`}
    </header>
    ${parts.map((part, index) => html`<${Part} key=${index} part=${part} longest=${role === 'system' || role === 'developer' ? INSTRUCTIONS : undefined} made=${made} onOpen=${onOpen} />`)}
    ${!parts.length && html`<p class="muted">No content</p>`}
    ${Object.keys(rest).length > 0 &&
    html`<${Fold} title="Also in this message"><${Json} value=${rest} /><//>`}`;
}

function Part({ part, longest, made, onOpen }) {
  if ('text' in part) return html`<${Text} value=${part.text} longest=${longest} />`;
  if ('reasoning' in part) {
    const { reasoning } = part;
    return html`<${Fold} title="Reasoning" class="reasoning">
      ${typeof reasoning === 'string' ? html`<${Text} value=${reasoning} />` : html`<${Json} value=${reasoning} />`}
    <//>`;
  }
  if ('call' in part) return html`<${Call} call=${part.call} span=${made.get(part.call.id)} onOpen=${onOpen} />`;
  if ('result' in part) return html`<${Value} value=${part.result.value} />`;
  return html`<${Json} value=${part.other} />`;
}

/** What a tool was asked, and beside it what it answered. */
const Call = ({ call, span, onOpen }) => html`<div class="call">
  <header><span class="type kind-tool">tool</span> <b>${line(call.name, 100)}</b></header>
  <div class="call-sides">
    <div><h4>Arguments</h4><${Value} value=${call.arguments ?? {}} /></div>
    ${call.result && html`<div><h4>Result</h4><${Value} value=${call.result.value} /></div>`}
    ${!call.result && span &&
    html`<div><h4>Result</h4>
      <button type="button" class="quiet link" title="The next span of this tool" onClick=${() => onOpen(span.id)}>
        ${span.status === 'failed' ? 'failed' : 'ran'} ${duration(span.endMs - span.startMs)} →
      </button>
    </div>`}
  </div>
</div>`;

const Value = ({ value }) => html`<${Json} value=${value} />`;
