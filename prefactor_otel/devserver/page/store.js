// What the page knows of runs and spans: read once, then kept up by the server's events.

import { useEffect, useRef, useState } from './preact.js';
import { read } from './api.js';
import { follow } from './events.js';
import { timed } from './timeline.js';

/** Collects changes by row until the next frame is drawn; of one row only the last counts. */
function batched(apply) {
  let waiting = new Map();
  let frame = 0;
  let isHeld = false;
  const flush = () => {
    frame = 0;
    if (isHeld || !waiting.size) return;
    const changes = [...waiting.values()];
    waiting = new Map();
    apply(changes);
  };
  return {
    add(kind, row) {
      waiting.set(`${kind} ${row.id}`, { kind, row });
      frame ||= requestAnimationFrame(flush);
    },
    /** Keep what comes while a snapshot is read, which may be older; then add it to that. */
    async during(reading) {
      isHeld = true;
      try {
        await reading();
      } finally {
        isHeld = false;
        flush();
      }
    },
    stop: () => cancelAnimationFrame(frame),
  };
}

/** Calls that come while one runs are one more call after it. */
function coalesced(call) {
  let running = false;
  let again = false;
  return async () => {
    again = true;
    if (running) return;
    running = true;
    while (again) {
      again = false;
      await call().catch(() => {}); // what is lost comes with the next change, or anew
    }
    running = false;
  };
}

const query = (filter, more) =>
  new URLSearchParams(Object.entries({ ...filter, ...more }).filter(([, value]) => value));

const matches = (run, { status, purpose, agent }) =>
  (!status || run.status === status) &&
  (!purpose || run.purpose === purpose) &&
  (!agent || run.agent_id === agent);

const newestFirst = (a, b) => (a.id < b.id ? 1 : -1);

/** The list with a run that is new or changed. */
function withRun(state, run, filter) {
  const runs = state.runs.filter((each) => each.id !== run.id);
  const wasThere = runs.length < state.runs.length;
  const oldest = state.runs.at(-1);
  const isBelow = !wasThere && state.next && oldest && run.id < oldest.id;
  const isShown = matches(run, filter) && (wasThere || !filter.q) && !isBelow;
  if (isShown) runs.push(run);
  const isKnown = state.agents.some((agent) => agent.id === run.agent_id);
  const agent = { id: run.agent_id, name: run.agent_name };
  return {
    ...state,
    runs: runs.sort(newestFirst),
    total: state.total + isShown - wasThere,
    agents: isKnown ? state.agents : [...state.agents, agent],
  };
}

const NO_RUNS = { runs: null, total: 0, next: null, agents: [], error: null };

/** The runs that a filter lets through, newest first, as they come; `more` reads older ones. */
export function useRuns(filter) {
  const [state, setState] = useState(NO_RUNS);
  const key = JSON.stringify(filter);
  useEffect(() => {
    const ended = new AbortController();
    const load = () =>
      read(`/page/runs?${query(filter)}`, ended.signal)
        .then(({ runs, total, next, agents }) => setState({ runs, total, next, agents, error: null }))
        .catch((error) => {
          // What was read before is kept while nobody answers, but it is no answer to what was refused.
          const kept = (now) => (error.status ? { ...NO_RUNS, agents: now.agents } : now);
          if (error.name !== 'AbortError') setState((now) => ({ ...kept(now), error }));
          throw error;
        });
    const search = coalesced(load);
    const batch = batched((changes) => {
      const runs = changes.map(({ row }) => row);
      setState((now) => (now.runs ? runs.reduce((all, run) => withRun(all, run, filter), now) : now));
      if (filter.q) search(); // only the server knows what a text is found in
    });
    const stop = follow(null, { fresh: () => batch.during(load), changed: batch.add });
    return () => {
      ended.abort();
      batch.stop();
      stop();
    };
  }, [key]);

  const more = async () => {
    const older = await read(`/page/runs?${query(filter, { before: state.next })}`).catch(() => null);
    if (!older) return; // the head of the page says why, and the button is still there
    const { runs, next } = older;
    setState((now) => {
      const known = new Set(now.runs.map((run) => run.id));
      return { ...now, next, runs: [...now.runs, ...runs.filter((run) => !known.has(run.id))] };
    });
  };
  return { ...state, more };
}

const NO_RUN = { detail: null, spans: [], isRead: false, error: null };

/** A run with the outlines of its spans, as they grow; `reload` reads the detail again. */
export function useRun(id) {
  const [state, setState] = useState(NO_RUN);
  const reload = useRef(() => {});
  useEffect(() => {
    const ended = new AbortController();
    const path = `/page/runs/${encodeURIComponent(id)}`;
    let spans = new Map();
    const readDetail = coalesced(async () => {
      const detail = await read(path, ended.signal);
      setState((now) => ({ ...now, detail }));
    });
    reload.current = readDetail;
    const load = async () => {
      try {
        const [detail, all] = await Promise.all([
          read(path, ended.signal),
          read(`${path}/spans`, ended.signal),
        ]);
        spans = new Map(all.spans.map((span) => [span.id, timed(span)]));
        setState({ detail, spans: [...spans.values()], isRead: true, error: null });
      } catch (error) {
        if (error.name !== 'AbortError') setState((now) => ({ ...now, error }));
        throw error;
      }
    };
    const batch = batched((changes) => {
      for (const { kind, row } of changes) {
        if (kind === 'span') spans.set(row.id, timed(row));
        else if (row.id === id) {
          setState((now) => ({ ...now, detail: now.detail && { ...now.detail, run: row } }));
          readDetail();
        }
      }
      setState((now) => ({ ...now, spans: [...spans.values()] }));
    });
    setState(NO_RUN);
    const stop = follow(id, { fresh: () => batch.during(load), changed: batch.add });
    return () => {
      ended.abort();
      batch.stop();
      stop();
    };
  }, [id]);
  return { ...state, reload: () => reload.current() };
}

/** A span in full; read again when its outline says that it has changed. */
export function useSpan(id, outline) {
  const [state, setState] = useState({ detail: null, error: null });
  useEffect(() => {
    const ended = new AbortController();
    read(`/page/spans/${encodeURIComponent(id)}`, ended.signal).then(
      (detail) => setState({ detail, error: null }),
      (error) => {
        if (error.name !== 'AbortError') setState({ detail: null, error });
      },
    );
    return () => ended.abort();
  }, [id, outline?.status, outline?.finished_at, outline?.tokens]);
  return state;
}
