// A list of any length of which only the rows in sight, and some around them, are in the document.

import { html, useCallback, useEffect, useLayoutEffect, useRef, useState } from './preact.js';

const AROUND = 12;

/**
 * A row of `height` pixels for each of the `items`, which `row(item, index)` makes and sets where
 * `at(index)` says; `keyOf(item)` names it. The item named `shown` is brought into sight when that is
 * another, or `moves` is, below the element before the list, which sticks to the top. What is in sight
 * stays where it is when items come before it.
 */
export function Windowed({ items, keyOf, height, row, shown, moves = 0, style, ...attributes }) {
  const list = useRef(null);
  const anchor = useRef(null);
  const [{ first, last }, setRange] = useState({ first: 0, last: 40 });

  const look = useCallback(() => {
    const { scroller, top } = placeOf(list.current);
    const index = Math.floor(-top / height);
    // Nothing has to stay in place while the list is seen from its beginning.
    anchor.current = index > 0 && index < items.length ? { index, key: keyOf(items[index]) } : null;
    const next = {
      first: Math.max(0, index - AROUND),
      last: Math.ceil((scroller.clientHeight - top) / height) + AROUND,
    };
    setRange((now) => (now.first === next.first && now.last === next.last ? now : next));
  }, [items, height]);

  useLayoutEffect(() => {
    const { index, key } = anchor.current ?? {};
    if (key !== undefined && items[index] !== undefined && keyOf(items[index]) !== key) {
      const now = items.findIndex((item) => keyOf(item) === key);
      if (now >= 0) placeOf(list.current).scroller.scrollTop += (now - index) * height;
    }
    look();
  }, [look]);

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

  const index = shown ? items.findIndex((item) => keyOf(item) === shown) : -1;
  useLayoutEffect(() => {
    if (index < 0) return;
    const { scroller, top } = placeOf(list.current);
    const above = list.current.previousElementSibling?.offsetHeight ?? 0;
    const [from, to] = [top + index * height, top + (index + 1) * height];
    if (from < above) scroller.scrollTop += from - above;
    else if (to > scroller.clientHeight) scroller.scrollTop += to - scroller.clientHeight;
    look();
  }, [shown, moves, index >= 0, height]);

  const seen = items.slice(first, last).map((item, i) => row(item, first + i));
  return html`<div ref=${list} style=${{ ...style, position: 'relative', height: `${items.length * height}px` }} ...${attributes}>
    ${seen}
  </div>`;
}

/** Where the row of an index stands in a list of rows so high. */
export const at = (index, height) => ({
  position: 'absolute',
  insetInline: 0,
  top: `${index * height}px`,
  height: `${height}px`,
});

/** What scrolls a list, and where in that it begins. */
function placeOf(list) {
  const scroller = scrollerOf(list);
  return { scroller, top: list.getBoundingClientRect().top - scroller.getBoundingClientRect().top };
}

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
