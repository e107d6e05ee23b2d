// The requests of the page. It holds no token: a cookie that no script can read goes with each.

import { observable } from './observable.js';

/** 'unknown' until the first answer, then 'open' or 'none'. */
export const session = observable('unknown');

/**
 * What an answer that is no success says, with its `faults` by field; of a server that does not answer,
 * the status is 0.
 */
export class Refused extends Error {
  constructor(status, message, faults = {}) {
    super(message);
    this.status = status;
    this.faults = faults;
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
  if (!response.ok) throw refusal(body, response);
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

function refusal(body, response) {
  const told = Object.entries(body?.errors ?? {}).map(([name, texts]) => [name, [].concat(texts).map(plain).join(', ')]);
  const fields = told.map(([name, text]) => `${name} ${text}`).join('; ');
  const message = fields || body?.message || `The server answered ${response.status}.`;
  return new Refused(response.status, message, Object.fromEntries(told));
}

const plain = (told) => (typeof told === 'string' ? told : (told?.message ?? ''));
