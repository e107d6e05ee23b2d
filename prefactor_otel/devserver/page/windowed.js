// A list of any length of which only the rows in sight, and some around them, are in the document.

import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from './preact.js';

const AROUND = 12;

/**
 * `count` rows of `height` pixels each, made by `row(index)`, which sets `style` on its element as
 * `at(index)` says. `shown` is the index to keep in sight as it changes, below `above` pixels of
 * what sticks to the top.
 */
export function Windowed({ count, height, row, shown = -1, above = 0, style, ...attributes }) {
  const list = useRef(null);
  const [{ first, last }, setRange] = useState({ first: 0, last: 40 });

  const look = useCallback(() => {
    const scroller = scrollerOf(list.current);
    const top = scroller.getBoundingClientRect().top - list.current.getBoundingClientRect().top;
    const next = {
      first: Math.max(0, Math.floor(top / height) - AROUND),
      last: Math.ceil((top + scroller.clientHeight) / height) + AROUND,
    };
    setRange((now) => (now.first === next.first && now.last === next.last ? now : next));
  }, [height]);

  useLayoutEffect(look, [look, count]);
  useEffect(() => {
    // Which element scrolls depends on the width of the window: every one is listened to.
    const options = { capture: true, passive: true };
    addEventListener('scroll', look, options);
    addEventListener('resize', look, options);
    return () => {
      removeEventListener('scroll', look, options);
      removeEventListener('resize', look, options);
    };
  }, [look]);

  useLayoutEffect(() => {
    if (shown < 0) return;
    const scroller = scrollerOf(list.current);
    const bounds = scroller.getBoundingClientRect();
    const top = list.current.getBoundingClientRect().top - bounds.top + shown * height;
    if (top < above) scroller.scrollTop += top - above;
    else if (top + height > scroller.clientHeight) {
      scroller.scrollTop += top + height - scroller.clientHeight;
    }
    look();
  }, [shown, height, above]);

  const rows = [];
  for (let index = first; index < Math.min(last, count); index += 1) rows.push(row(index));
  return html`<div ref=${list} style=${{ ...style, position: 'relative', height: `${count * height}px` }} ...${attributes}>
    ${rows}
  </div>`;
}

/** Where the row of an index stands in a list of rows so high. */
export const at = (index, height) => ({
  position: 'absolute',
  insetInline: 0,
  top: `${index * height}px`,
  height: `${height}px`,
});

function scrollerOf(element) {
  for (let each = element.parentElement; each; each = each.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(each).overflowY)) return each;
  }
  return document.scrollingElement;
}

/** Whether the window is narrow: the rows are higher then, for what stands in two lines. */
export function useNarrow() {
  const query = useRef(null);
  query.current ??= matchMedia('(max-width: 719px)');
  const [isNarrow, setNarrow] = useState(query.current.matches);
  useEffect(() => {
    const changed = (event) => setNarrow(event.matches);
    query.current.addEventListener('change', changed);
    return () => query.current.removeEventListener('change', changed);
  }, []);
  return isNarrow;
}
