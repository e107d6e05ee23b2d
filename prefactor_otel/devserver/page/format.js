// Values as people read them.

// What moves, hides or reverses other text on the screen: shown by its code.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Any text of a span, with nothing in it that acts on what stands beside it. */
export const shown = (text) =>
  String(text).replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** The same on one line, and not longer than a line can be. */
export const line = (text, length = 300) => shown(String(text).slice(0, length).replace(/\s+/g, ' '));

/** Milliseconds since 1970, with the microseconds that `Date` leaves out; NaN of no time. */
export function millis(time) {
  const beyond = /\.\d{3}(\d+)/.exec(time ?? '')?.[1];
  return Date.parse(time) + (beyond ? Number(`0.${beyond}`) : 0);
}

/** How long: `40 µs`, `0.4 ms`, `843 ms`, `2.41 s`, `1 m 03 s`, `2 h 05 m`. */
export function duration(ms) {
  if (!(ms >= 0)) return '–';
  if (ms < 0.0995) return ms === 0 ? '0 ms' : `${Number((ms * 1000).toPrecision(2))} µs`;
  if (ms < 0.95) return `${ms.toFixed(1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_995) return `${(ms / 1000).toFixed(ms < 9_995 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${two(seconds % 60)} s`;
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor(seconds / 60) % 60)} m`;
}

/** The same of a round time, without the digits that say nothing: `10 s`, `1.5 s`, `1 m 40 s`, `5 m`, `2 h`. */
export const roundly = (ms) =>
  duration(ms)
    .replace(/(?<= [mh]) 00 [sm]$/, '')
    .replace(/\.0+ s$/, ' s')
    .replace(/(\.\d*[1-9])0+ s$/, '$1 s');

const two = (number) => String(number).padStart(2, '0');

const CLOCK = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' };
const clock = new Intl.DateTimeFormat('en', CLOCK);
const day = new Intl.DateTimeFormat('en', { month: 'short', day: 'numeric' });

/** The time of day; of another day, that before it. */
export function moment(time) {
  const date = new Date(time ?? NaN);
  if (Number.isNaN(date.valueOf())) return '–';
  const told = clock.format(date);
  return date.toDateString() === new Date().toDateString() ? told : `${day.format(date)} ${told}`;
}

const whole = new Intl.NumberFormat('en');

const compact = new Intl.NumberFormat('en', {
  notation: 'compact',
  minimumFractionDigits: 2,
  maximumFractionDigits: 2,
});

/** A count: `1,234`; of a million and more, `1.23M`, `1.23B` or `1.23T`. */
export function count(number) {
  if (!(number >= 0)) return '–';
  return (number < 1e6 ? whole : compact).format(number);
}

/** `1 span`, `2 spans`. */
export const counted = (number, noun) => `${count(number)} ${noun}${number === 1 ? '' : 's'}`;

const KINDS = {
  agent: 'agent',
  llm: 'llm',
  tool: 'tool',
  retriever: 'retrieval',
  reranker: 'retrieval',
  embedding: 'retrieval',
  guardrail: 'guard',
  evaluator: 'guard',
  approval: 'guard',
  handoff: 'agent',
};

/** The type of a span without its vocabulary: `otel:llm`, `langchain:llm` and `ai-sdk:llm` are `llm`. */
export function typeOf(schema) {
  const parts = String(schema).split(':');
  return parts.find((part) => part in KINDS) ?? parts[parts.length > 1 ? 1 : 0];
}

/** The family of a type, which has a colour. */
export const kindOf = (schema) => KINDS[typeOf(schema)] ?? 'step';
