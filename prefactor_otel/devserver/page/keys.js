// Keys that work wherever the focus is, but for where somebody writes.

import { useLayoutEffect, useRef } from './preact.js';

/** What the help shows; each view binds those that it has. */
export const HELP = [
  ['j, ↓', 'the next run or span'],
  ['k, ↑', 'the one before'],
  ['Home, End', 'the first span, the last'],
  ['Enter', 'open it'],
  ['Escape', 'close what is open, take back what is looked for; back to the runs'],
  ['/', 'search'],
  ['h, ←', 'fold a span, or go to its parent'],
  ['l, →', 'unfold it'],
  ['c', 'fold or unfold all'],
  ['n, N', 'next error, error before'],
  ['a', 'only AI spans'],
  ['?', 'these keys'],
];

const isWriting = (element) => element.matches?.('input, textarea, select');
/** First what is looked for is taken back, then the field is left. */
function leave(field) {
  if (field.type !== 'search' || !field.value) return field.blur();
  field.value = '';
  return field.dispatchEvent(new Event('input', { bubbles: true }));
}

/** In a panel that has the focus, these scroll. */
const scrolls = ({ key, target }) => /^(Arrow|Home|End)/.test(key) && target.closest?.('.panel');
const isPressed = (element) => element.matches?.('button, a, summary');

/** Call what is bound to a key. `bindings` maps `event.key` to a function. */
export function useKeys(bindings) {
  const current = useRef(bindings);
  current.current = bindings;
  useLayoutEffect(() => {
    const pressed = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (document.querySelector('dialog[open]')) return; // it has keys of its own
      if (isWriting(event.target)) {
        if (event.key !== 'Escape') return;
        event.preventDefault(); // every view listens, and one Escape is one step
        leave(event.target);
        return;
      }
      if (scrolls(event) || (event.key === 'Enter' && isPressed(event.target))) return;
      const act = current.current[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    };
    addEventListener('keydown', pressed);
    return () => removeEventListener('keydown', pressed);
  }, []);
}
