// Small things that are shown in many places.

import { html, useEffect, useRef, useState } from './preact.js';
import { count, duration, kindOf, line, millis, shown, typeOf } from './format.js';

/** A status in a word, with a mark that tells it without the colour. */
export const Status = ({ of }) => html`<span class="status is-${safe(of)}"><i aria-hidden="true"></i>${of}</span>`;

/** A word that comes from elsewhere as part of a class. */
const safe = (word) => String(word).replace(/[^a-z_]/g, '');

/** The type of a span, in the colour of its family. */
export const Type = ({ of }) => html`<span class="type kind-${kindOf(of)}" title=${shown(of)}>${line(typeOf(of), 24)}</span>`;

/** A button that copies what `text()` gives, and says that it has. */
export function Copy({ text, label = 'Copy' }) {
  const [isDone, setDone] = useState(false);
  useEffect(() => {
    if (!isDone) return undefined;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [isDone]);
  const copy = async () => {
    await copied(text());
    setDone(true);
  };
  return html`<button type="button" class="quiet copy" onClick=${copy} aria-live="polite">
    ${isDone ? 'Copied' : label}
  </button>`;
}

/** Only a page from this machine or over TLS has the clipboard; elsewhere the old way works. */
async function copied(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

const LONGEST = 4000;

/** A text as it was written; of a long one the beginning, until somebody asks for all of it. */
export function Text({ value, longest = LONGEST, class: name = '' }) {
  const [isWhole, setWhole] = useState(false);
  const text = String(value);
  const isCut = !isWhole && text.length > longest;
  return html`<div class="text ${name}" dir="auto">
    ${shown(isCut ? text.slice(0, longest) : text)}${isCut &&
    html`… <button type="button" class="quiet" onClick=${() => setWhole(true)}>
        Show all ${count(text.length)} characters
      </button>`}
  </div>`;
}

/** How long something took, growing while it is open. */
export function Duration({ from, to }) {
  const now = useNow(!to && Boolean(from));
  return duration((to ? millis(to) : now) - millis(from));
}

const TICK_MS = 250;

/** The time, and another rendering a few times a second while that is asked for. */
export function useNow(isRunning) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!isRunning) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, [isRunning]);
  return now;
}

/** A part of the page that opens; what is in it is made only then. */
export function Fold({ title, children, isOpen = false, extra = null, class: name = '' }) {
  const [open, setOpen] = useState(isOpen);
  return html`<details class="fold ${name}" open=${open} onToggle=${(event) => setOpen(event.currentTarget.open)}>
    <summary><h3>${title}</h3>${extra}</summary>
    ${open && children}
  </details>`;
}

/** A window over the page. It opens when it is made, and says when it has been closed. */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return html`<dialog ref=${dialog} onClose=${onClose} aria-labelledby="dialog-title">
    <header>
      <h2 id="dialog-title">${title}</h2>
      <button type="button" class="quiet" aria-label="Close" onClick=${() => dialog.current.close()}>✕</button>
    </header>
    ${children}
  </dialog>`;
}

/** What is said in the place of what is not there, and what to do about it. */
export const Notice = ({ title, children }) =>
  html`<section class="notice" role="status"><h2>${title}</h2>${children}</section>`;
