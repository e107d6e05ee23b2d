// The spans of a run: the tree and the time of each in one row.

import { html, useMemo } from './preact.js';
import { count, counted, duration, kindOf, line, roundly } from './format.js';
import { Type, useNow } from './parts.js';
import { scaleOf, ticksOf } from './timeline.js';
import { at, useNarrow, Windowed } from './windowed.js';

const ROW = 28;
const NARROW_ROW = 44;
/** Deeper than this, a row is not moved to the right any more: its level is told by its number. */
const DEEPEST = 14;

const idOf = (row) => row.span.id;

const indent = (depth) => Math.min(depth, DEEPEST);

/**
 * Rows in a grid that the keyboard walks through. `rows` are those of `folded`; `cursor` is the id of
 * the row that the keys act on, `moves` how often it was moved, `open` that of the span in the panel.
 * What stands between the tags stays in sight above the rows, with the time axis.
 */
export function Waterfall({ spans, rows, isOpen, cursor, moves, open, onOpen, onFold, children }) {
  const isNarrow = useNarrow();
  const height = isNarrow ? NARROW_ROW : ROW;
  const now = useNow(isOpen);
  const scale = scaleOf(spans, isOpen, now);
  const ticks = ticksOf(scale, isNarrow || open ? 3 : 6);
  const isSeen = useMemo(() => rows.some((row) => idOf(row) === cursor), [rows, cursor]);
  const row = (each, index) => html`<${Row}
    key=${idOf(each)}
    row=${each}
    index=${index}
    style=${at(index, height)}
    scale=${scale}
    now=${now}
    isCursor=${idOf(each) === cursor}
    isOpen=${idOf(each) === open}
    onOpen=${onOpen}
    onFold=${onFold}
  />`;
  return html`<div class="spans-head">${children}<${Axis} scale=${scale} ticks=${ticks} /></div>
    <${Windowed}
      class="waterfall"
      role="treegrid"
      tabindex="0"
      aria-label="Spans"
      aria-rowcount=${rows.length}
      aria-activedescendant=${isSeen ? `row-${cursor}` : undefined}
      items=${rows}
      keyOf=${idOf}
      height=${height}
      row=${row}
      shown=${cursor}
      moves=${moves}
      style=${{ '--tick': `${((ticks[1] ?? scale.length) / scale.length) * 100}%` }}
    />`;
}

const Axis = ({ scale, ticks }) => html`<div class="row axis" aria-hidden="true">
  <span class="cell-name">Span</span><span class="cell-tokens">Tokens</span><span class="cell-time">Duration</span>
  <span class="cell-bar">
    ${ticks.map(
      (tick) => html`<i style=${{ left: `${(tick / scale.length) * 100}%` }}>${tick ? roundly(tick) : '0'}</i>`,
    )}
  </span>
</div>`;

function Row({ row, index, style, scale, now, isCursor, isOpen, onOpen, onFold }) {
  const { span, depth, isParent, hidden, below } = row;
  const isFailed = span.status === 'failed';
  const end = span.endMs ?? Math.max(now, span.startMs);
  const time = duration(end - span.startMs);
  const fold = (event) => {
    event.stopPropagation();
    onFold(span.id);
  };
  return html`<div
    id=${`row-${span.id}`}
    role="row"
    class="row kind-${kindOf(span.type)} ${isFailed ? 'has-failed' : ''} ${span.ai ? '' : 'is-plain'}"
    style=${style}
    aria-rowindex=${index + 1}
    aria-level=${depth + 1}
    aria-expanded=${isParent ? hidden === 0 : undefined}
    aria-selected=${isOpen}
    data-cursor=${isCursor || undefined}
    onClick=${() => onOpen(span.id)}
  >
    <span class="cell-name" role="gridcell" style=${{ paddingLeft: `${indent(depth) * 14 + 4}px` }}>
      <span class="guides" aria-hidden="true" style=${{ width: `${indent(depth) * 14}px` }}></span>
      ${isParent
        ? html`<span class="caret ${hidden ? '' : 'is-open'}" aria-hidden="true" onClick=${fold}></span>`
        : html`<span class="caret-space"></span>`}
      ${depth > DEEPEST && html`<span class="depth" title=${`Level ${depth + 1}`}>${depth + 1}</span>`}
      <${Type} of=${span.type} />
      <span class="name" dir="auto">${line(span.name)}</span>
      ${hidden > 0 && html`<span class="count" title=${counted(hidden, 'row')}>+${count(hidden)}</span>`}
      ${hidden > 0 && below.failed > 0 && html`<span class="failed-below">with ${counted(below.failed, 'error')}</span>`}
      ${span.mismatches > 0 && html`<span class="flag" title="Not as its type declares" aria-label="Not as its type declares">≠</span>`}
      ${isFailed && html`<span class="error">${span.error ? line(span.error, 200) : 'failed'}</span>`}
      ${span.status === 'cancelled' && html`<span class="muted">cancelled</span>`}
    </span>
    <span class="cell-tokens" role="gridcell"><${Tokens} own=${span.tokens} below=${below.tokens} /></span>
    <span class="cell-time" role="gridcell">${time}${!span.endMs && html`<span class="sr"> so far, open</span>`}</span>
    <span class="cell-bar" role="gridcell" aria-hidden="true"><${Bar} span=${span} end=${end} scale=${scale} /></span>
  </div>`;
}

/** What a span has counted itself, else the sum of what those below it have. */
function Tokens({ own, below }) {
  if (own !== null) return html`${count(own)}<span class="sr"> tokens</span>`;
  return below > 0 && html`<span title="Tokens below">Σ ${count(below)}<span class="sr"> tokens below</span></span>`;
}

function Bar({ span, end, scale }) {
  const percent = (ms) => Math.max(0, Math.min(100, (ms / scale.length) * 100));
  const left = percent(span.startMs - scale.start);
  const width = percent(end - span.startMs);
  return html`<i class=${span.endMs === null ? 'bar is-open' : 'bar'} style=${{
    left: `min(${left}%, 100% - 3px)`,
    width: `max(${Math.min(width, 100 - left)}%, 3px)`,
  }}></i>`;
}
