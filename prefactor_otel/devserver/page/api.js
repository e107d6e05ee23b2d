// The requests of the page. It holds no token: a cookie that no script can read goes with each.

import { observable } from './observable.js';

/** 'unknown' until the first answer, then 'open' or 'none'. */
export const session = observable('unknown');

/** What an answer that is no success says; of a server that does not answer, the status is 0. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

export const read = (path, signal) => call(path, { signal });

export const write = (path, body, method = 'POST') =>
  call(path, {
    method,
    body: JSON.stringify(body),
    // No other site can send this header, so nobody else's form or script writes with our cookie.
    headers: { 'Content-Type': 'application/json', 'X-Prefactor-Page': '1' },
  });

/** Exchange the one-time secret of the link for the session's cookie. */
export async function signIn(secret) {
  try {
    await write('/page/session', { secret });
  } catch (refused) {
    // A link that is opened twice: the cookie of the first time may still be good.
    if (refused.status !== 401) throw refused;
    session.set('unknown');
  }
}

async function call(path, options) {
  const response = await fetch(path, options).catch((error) => {
    if (error.name === 'AbortError') throw error;
    throw new Refused(0, 'The server does not answer.');
  });
  if (response.status === 401) session.set('none');
  const body = await json(response);
  if (!response.ok) throw new Refused(response.status, reason(body, response));
  session.set('open');
  return body;
}

async function json(response) {
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    return null;
  }
}

function reason(body, response) {
  const fields = Object.entries(body?.errors ?? {}).map(
    ([name, told]) => `${name} ${[].concat(told).map(plain).join(', ')}`,
  );
  return fields.join('; ') || body?.message || `The server answered ${response.status}.`;
}

const plain = (told) => (typeof told === 'string' ? told : (told?.message ?? ''));
