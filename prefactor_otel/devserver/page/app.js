// The page: a head that says whether it is live, and below it the runs, or one of them.

import { html, render, useEffect, useState } from './preact.js';
import { session, signIn } from './api.js';
import { connection } from './events.js';
import { HELP, useKeys } from './keys.js';
import { Dialog, Notice } from './parts.js';
import { go, home, toRuns, useRoute } from './router.js';
import { Run } from './run.js';
import { Runs } from './runs.js';

const SECRET = /^#secret=(.+)$/;

function App() {
  const route = useRoute();
  const [isHelp, setHelp] = useState(false);
  const isSigningIn = useSecret();
  const isRefused = session.use() === 'none';
  useKeys({ '?': () => setHelp(true) });
  return html`<header class="top">
      <a class="brand" href=${home()}><img src="/page/icon.svg" alt="" width="18" height="18" />Prefactor</a>
      <span class="muted">local runs</span>
      <span class="grow"></span>
      <${Connection} isQuiet=${isRefused || route.view === 'nowhere'} />
      <button type="button" class="quiet" aria-label="Keys" onClick=${() => setHelp(true)}>?</button>
    </header>
    ${isSigningIn ? null : isRefused ? html`<${NoSession} />` : html`<${View} route=${route} />`}
    ${isHelp && html`<${Help} onClose=${() => setHelp(false)} />`}`;
}

function View({ route: { view, run, span, filter } }) {
  if (view === 'nowhere') return html`<${Nowhere} />`;
  if (view === 'run') return html`<${Run} id=${run} spanId=${span} filter=${filter} />`;
  return html`<${Runs} filter=${filter} />`;
}

const Nowhere = () => html`<main>
  <${Notice} title="There is nothing at this address">
    <p>Part of it may be missing, or it is one of the API's, which programs read with a token.</p>
    <p><a href=${home()}>All runs</a></p>
  <//>
</main>`;

/** Exchange the secret of a link, and take it out of the address; whether that is going on. */
function useSecret() {
  const found = () => SECRET.exec(location.hash)?.[1];
  const [secret, setSecret] = useState(found);
  useEffect(() => {
    const look = () => setSecret((now) => found() ?? now);
    addEventListener('hashchange', look);
    return () => removeEventListener('hashchange', look);
  }, []);
  useEffect(() => {
    if (!secret) return;
    go(toRuns(), { replace: true });
    signIn(decodeURIComponent(secret))
      .catch(() => {}) // the view says what is wrong as soon as it reads
      .finally(() => setSecret(null));
  }, [secret]);
  return Boolean(secret);
}

const SAID = {
  connecting: 'Connecting',
  live: 'Live',
  paused: 'Paused',
  lost: 'The server does not answer. Trying again…',
};

function Connection({ isQuiet }) {
  const state = connection.use();
  const shown = isQuiet ? '' : SAID[state];
  return html`<span class="connection is-${state}" role="status">${shown}</span>`;
}

const NoSession = () => html`<main>
  <${Notice} title="This page opens with a link">
    <p>The running server has printed the next link, where it was started. Open that: it is good for one
    time. A session ends with its server, so after a restart there is a new link as well.</p>
    <p>Where none runs, start one with</p>
    <pre>prefactor-otel devserver --open</pre>
    <p>or look at an agent at work with <code>prefactor-otel demo --open</code>. Whoever has the link sees
    every prompt and answer, so it is not to be passed on.</p>
    <p><button type="button" onClick=${() => location.reload()}>Try again</button></p>
  <//>
</main>`;

const Help = ({ onClose }) => html`<${Dialog} title="Keys" onClose=${onClose}>
  <dl class="keys">
    ${HELP.map(
      ([keys, what]) => html`<div>
        <dt>${keys.split(', ').map((key) => html`<kbd>${key}</kbd>`)}</dt>
        <dd>${what}</dd>
      </div>`,
    )}
  </dl>
<//>`;

render(html`<${App} />`, document.getElementById('app'));
