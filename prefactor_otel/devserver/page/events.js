// What the server tells by itself: runs that are new or changed, and the spans of one run.

import { read } from './api.js';
import { observable } from './observable.js';

const AGAIN_MS = 2000;

/** 'connecting', 'live', 'lost' while the page tries again, or 'paused' while nobody looks at it. */
export const connection = observable('connecting');

/**
 * Follow the events, with those of a run's spans where one is named; returns how to stop.
 * `fresh` reads everything anew, as at the beginning: no change after that is missed. `changed(kind, row)` is called for each 'run' and 'span'.
 */
export function follow(run, { fresh, changed }) {
  const path = `/page/events${run ? `?run=${encodeURIComponent(run)}` : ''}`;
  let source, timer;
  let isRead = false;

  const start = () => fresh().then(() => (isRead = true), () => (isRead = false));

  function open() {
    isRead = false;
    const opened = (source = new EventSource(path));
    source.onopen = () => {
      connection.set('live');
      // Later the browser says what it saw last, and the server goes on there.
      if (!isRead) start();
    };
    source.onerror = () => {
      if (opened.readyState === EventSource.CLOSED) refused(opened);
      else connection.set('lost');
    };
    source.addEventListener('reset', start);
    for (const kind of ['run', 'span']) {
      source.addEventListener(kind, (event) => changed(kind, JSON.parse(event.data)));
    }
  }

  /** The browser gives up where the server answers and refuses: ask why at once, which shows on the page. */
  async function refused(opened) {
    const answer = await read('/page/runs?limit=1').catch((error) => error);
    if (source !== opened || answer?.status === 401) return;
    connection.set('lost');
    timer = setTimeout(open, AGAIN_MS);
  }

  // A browser keeps six connections to a server: what nobody looks at must not hold one.
  function looked() {
    close();
    if (!document.hidden) open();
    else connection.set('paused');
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  looked();
  document.addEventListener('visibilitychange', looked);
  return () => {
    document.removeEventListener('visibilitychange', looked);
    close();
  };
}
