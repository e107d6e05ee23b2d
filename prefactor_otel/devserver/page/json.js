// A JSON value as a tree that opens where somebody looks, however large and deep it is.

import { html, useState } from './preact.js';
import { count, line, shown } from './format.js';
import { Copy, Text } from './parts.js';

const MANY = 100;
const LONGEST = 1000;
/** Levels that are open from the beginning, while there are few rows. */
const OPEN_DEPTH = 2;
const FEW = 12;
/** Longer texts are not tried as JSON. */
const LARGEST = 200_000;

/** A value with a button that copies it. */
export const Json = ({ value, depth = OPEN_DEPTH }) => html`<div class="json">
  <${Copy} text=${() => (typeof value === 'string' ? value : JSON.stringify(value, null, 2))} />
  ${isNested(value)
    ? html`<${Entries} value=${value} openDepth=${depth} />`
    : html`<${Leaf} value=${value} />`}
</div>`;

const isNested = (value) => value !== null && typeof value === 'object';

/** The rows of an object or a list: the first hundred, and a button for as many more. */
function Entries({ value, openDepth }) {
  const [limit, setLimit] = useState(MANY);
  const keys = Object.keys(value);
  if (!keys.length) return html`<span class="json-empty">${Array.isArray(value) ? '[ ]' : '{ }'}</span>`;
  return html`<ul>
    ${keys.slice(0, limit).map(
      (key) => html`<li key=${key}><${Entry} name=${key} value=${value[key]} openDepth=${openDepth} /></li>`,
    )}
    ${keys.length > limit &&
    html`<li>
      <button type="button" class="quiet" onClick=${() => setLimit(limit + MANY)}>
        ${count(keys.length - limit)} more
      </button>
    </li>`}
  </ul>`;
}

function Entry({ name, value, openDepth }) {
  const key = html`<span class="json-key">${line(name, 200)}:</span>`;
  if (!isNested(value)) return html`${key}<${Leaf} value=${value} />`;
  const size = Object.keys(value).length;
  if (!size) return html`${key}<${Entries} value=${value} />`;
  return html`<${Branch} label=${key} value=${value} size=${size} openDepth=${openDepth} />`;
}

function Branch({ label, value, size, openDepth }) {
  const [isOpen, setOpen] = useState(openDepth > 0 && size <= FEW);
  return html`<details open=${isOpen} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary>${label}<span class="json-size">${peek(value, size)}</span></summary>
    ${isOpen && html`<${Entries} value=${value} openDepth=${openDepth - 1} />`}
  </details>`;
}

/** What a closed branch holds, in a few words. */
function peek(value, size) {
  if (Array.isArray(value)) return `[${count(size)}]`;
  return `{ ${Object.keys(value).slice(0, 4).map((key) => line(key, 24)).join(', ')}${size > 4 ? ', …' : ''} }`;
}

/** A plain value. A text that holds JSON can be read as that. */
function Leaf({ value }) {
  const [isRead, setRead] = useState(false);
  if (typeof value !== 'string') return html`<span class="json-${typeof value}">${shown(value)}</span>`;
  const inner = isRead ? parsed(value) : undefined;
  return html`<span class="json-string">
    ${inner === undefined
      ? html`<${Text} value=${value} longest=${LONGEST} />`
      : html`<${Entries} value=${inner} openDepth=${1} />`}
    ${looksNested(value) &&
    html`<button type="button" class="quiet" aria-pressed=${isRead} onClick=${() => setRead(!isRead)}>
      ${isRead ? 'as text' : 'as JSON'}
    </button>`}
  </span>`;
}

const looksNested = (text) =>
  text.length < LARGEST && /^\s*[[{]/.test(text) && isNested(parsed(text));

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
