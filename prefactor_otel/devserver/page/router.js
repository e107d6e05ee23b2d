// The address says what is shown: `#/runs?status=failed&q=text`, `#/run/RUN/span/SPAN?ai=1`.

import { useEffect, useState } from './preact.js';

/** Where the page lies: what stands behind it in the address is a view of it. */
const HERE = '/';

let lastRuns = '#/runs';

export function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const [view, run, ...rest] = path.split('/').map(decoded);
  const filter = Object.fromEntries(new URLSearchParams(query));
  const isSpan = rest.length === 2 && rest[0] === 'span' && rest[1];
  if (view === 'run' && run && (!rest.length || isSpan)) return { view, run, span: rest[1], filter };
  return { view: ['', 'runs'].includes(view) && run === undefined ? 'runs' : 'nowhere', filter };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function query(filter) {
  const set = Object.entries(filter).filter(([, value]) => value);
  return set.length ? `?${new URLSearchParams(set)}` : '';
}

export const toRuns = (filter = {}) => `#/runs${query(filter)}`;

export const toRun = (run, span, filter = {}) =>
  `#/run/${encodeURIComponent(run)}${span ? `/span/${encodeURIComponent(span)}` : ''}${query(filter)}`;

/** The same from any address. */
export const home = () => HERE + toRuns();

/** The list as it was last filtered. */
export const backToRuns = () => lastRuns;

/** Go there; with `replace`, the way back does not stop here. */
export function go(hash, { replace = false } = {}) {
  if (hash === location.hash) return;
  if (!replace) location.hash = hash;
  else {
    history.replaceState(null, '', hash);
    dispatchEvent(new Event('hashchange'));
  }
}

export function useRoute() {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const changed = () => setHash(location.hash);
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const route = location.pathname === HERE ? parse(hash) : { view: 'nowhere' };
  if (route.view === 'runs') lastRuns = toRuns(route.filter);
  return route;
}
