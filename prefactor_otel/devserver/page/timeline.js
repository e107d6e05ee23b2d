// The time of a run as a scale from its start to its end.

import { millis } from './format.js';

const STEPS = [1, 2, 5, 10];
const HOUR = 3_600_000;
/** Between seconds and hours, in which people count by tens, these are round. */
const MINUTES = [0.5, 1, 2, 5, 10, 20, 30, 60].map((minutes) => minutes * 60_000);
/** Behind this part of the scale is no room for what a tick says. */
const LAST = 0.88;

/**
 * A run that is silent for longer than this, and than three times what it has worked, has a scale that
 * no longer grows: of an agent that was killed yesterday, the bars would be dots.
 */
const QUIET_MS = 60_000;

/** The smallest round time that is no less: 1, 2, 5, 10, 20, 50… milliseconds, and as many hours. */
function round(value) {
  if (value > HOUR) return HOUR * decimal(value / HOUR);
  return value > 20_000 ? MINUTES.find((step) => step >= value * 0.999999) : decimal(value);
}

function decimal(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return STEPS.map((step) => step * power).find((step) => step >= value * 0.999999);
}

/**
 * From where to where the bars go, in milliseconds. While the run grows, the end is a round figure
 * ahead of it, so that bars keep their place until the run has grown up to it.
 */
export function scaleOf(spans, isOpen, now) {
  let start = Infinity;
  let end = -Infinity;
  for (const span of spans) {
    start = Math.min(start, span.startMs);
    end = Math.max(end, span.endMs ?? span.startMs);
  }
  if (start === Infinity) return { start: 0, length: 1 };
  if (!isOpen) return { start, length: Math.max(end - start, 0.001) };
  const known = Math.max(end - start, QUIET_MS);
  const reached = Math.min(Math.max(end, now) - start, known * 4);
  const step = round(Math.max(reached, 1000) / 4);
  return { start, length: Math.ceil((reached * 1.02) / step) * step };
}

/** Round places on the scale: about as many as asked for. */
export function ticksOf({ length }, wanted) {
  const step = round(length / wanted);
  const ticks = [];
  for (let at = 0; at < length * LAST; at += step) ticks.push(at);
  return ticks;
}

/** An outline with its times as numbers; the end of what is open is null. */
export const timed = (span) => ({
  ...span,
  startMs: millis(span.started_at),
  endMs: span.finished_at ? millis(span.finished_at) : null,
});
