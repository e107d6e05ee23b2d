// The form in which somebody says how good a run was, as the run has declared it.

import { html, useState } from './preact.js';
import { faultsOf, fieldsOf, textOf, valueOf } from './form.js';
import { line, shown } from './format.js';

/** What is not as it is declared: `faults` says by field what is wrong with it. */
class Invalid extends Error {
  constructor(faults, message) {
    super(message);
    this.faults = faults;
  }
}

const WHOLE = 'payload';
/** Keeps what the fields do not say of a payload while they are filled. */
const OTHERS = 'others';
const nameOf = (field) => `${WHOLE}.${field.name}`;
const own = (value, name) => (Object.hasOwn(value ?? {}, name) ? value[name] : undefined);

/**
 * The fields for one of the `qualities` that a run has declared, with what is `known` of it by name;
 * those of the whole payload as JSON where its schema names none, or somebody likes that better.
 */
export function QualityFields({ qualities, known, faults }) {
  const [name, setName] = useState(qualities[0].name);
  const [draft, setDraft] = useState(undefined);
  const [isJson, setJson] = useState(false);
  const [unread, setUnread] = useState(null);
  const quality = qualities.find((each) => each.name === name);
  const fields = fieldsOf(quality.schema);
  const payload = draft ?? own(known, name) ?? {};
  const choose = (event) => {
    setName(event.currentTarget.value);
    setDraft(undefined);
    setJson(false);
    setUnread(null);
  };
  const turn = (event) => {
    try {
      setDraft(payloadOf(quality.schema, filled(event.currentTarget.form)));
      setJson(!isJson);
      setUnread(null);
    } catch (error) {
      setUnread(error.message);
    }
  };
  return html`<div class="field">
      <label for="quality">Quality</label>
      <select id="quality" name="name" value=${name} onChange=${choose}>
        ${qualities.map((each) => html`<option value=${each.name} selected=${each.name === name}>${line(each.title, 80)}</option>`)}
      </select>
      ${quality.schema.description && html`<p class="muted">${shown(quality.schema.description)}</p>`}
    </div>
    ${fields && !isJson
      ? html`<${Fields} key=${name} fields=${fields} payload=${payload} faults=${faults} />`
      : html`<${Field} key=${`${name} ${WHOLE}`} id="field" name=${WHOLE} field=${{ title: 'Payload, a JSON object', kind: 'json', isRequired: true }} text=${JSON.stringify(payload, null, 2)} fault=${faultIn(faults, WHOLE)} />`}
    ${fields && html`<p><button type="button" class="quiet" onClick=${turn}>${isJson ? 'As a form' : 'As JSON'}</button></p>`}
    ${unread && html`<p class="form-error" role="alert">${unread}</p>`}`;
}

function Fields({ fields, payload, faults }) {
  const names = new Set(fields.map((field) => field.name));
  const others = Object.entries(payload ?? {}).filter(([name]) => !names.has(name));
  return html`<input type="hidden" name=${OTHERS} value=${JSON.stringify(Object.fromEntries(others))} />
    ${fields.map((field, index) => html`<${Field}
      key=${field.name}
      id=${`field-${index}`}
      name=${nameOf(field)}
      field=${field}
      text=${textOf(field, own(payload, field.name))}
      fault=${faultIn(faults, nameOf(field))}
    />`)}`;
}

/** What is wrong in a place and below it, in one text. */
const faultIn = (faults, place) =>
  Object.entries(faults)
    .filter(([path]) => path === place || path.startsWith(`${place}.`))
    .map(([path, fault]) => `${path.slice(place.length + 1)} ${fault}`.trim())
    .join('; ');

/** A field with its title, and beside it what it is for and what is wrong with it. */
function Field({ id, name, field, text, fault }) {
  const { title, hint, isRequired } = field;
  const told = { id, name, 'aria-invalid': Boolean(fault), 'aria-describedby': `${id}-told` };
  return html`<div class="field ${fault ? 'is-wrong' : ''}">
    <label for=${id}>${line(title, 80)}${!isRequired && html` <span class="muted">optional</span>`}</label>
    <${Input} field=${field} text=${text} told=${told} />
    <p id=${`${id}-told`}>
      ${fault ? html`<span class="form-error" role="alert">${shown(fault)}</span>` : hint && html`<span class="muted">${shown(hint)}</span>`}
    </p>
  </div>`;
}

const SAID = { true: 'yes', false: 'no' };

function Input({ field: { kind, choices, isRequired }, text, told }) {
  if (kind === 'choice') {
    return html`<select ...${told}>
      <option value="" selected=${!text}>${isRequired ? 'Choose…' : '–'}</option>
      ${choices.map((each) => html`<option value=${JSON.stringify(each)} selected=${JSON.stringify(each) === text}>${line(own(SAID, each) ?? (typeof each === 'object' ? JSON.stringify(each) : each), 80)}</option>`)}
    </select>`;
  }
  if (kind === 'number' || kind === 'line') {
    return html`<input ...${told} type="text" inputmode=${kind === 'number' ? 'decimal' : 'text'} autocomplete="off" defaultValue=${text} />`;
  }
  const isCode = kind === 'json';
  return html`<textarea ...${told} rows=${isCode && isRequired ? 6 : 2} class=${isCode ? 'code' : ''} spellcheck=${!isCode} defaultValue=${text}></textarea>`;
}

/** The texts of a form by the names of their fields. */
export const filled = (form) =>
  Object.fromEntries([...new FormData(form)].map(([name, text]) => [name, text.trim()]));

/** What the texts of a form say; what the form has no field for stays as it is. */
function payloadOf(schema, texts) {
  if (WHOLE in texts) return parsed(texts[WHOLE], WHOLE);
  const told = fieldsOf(schema).map((field) => [field.name, read(field, texts[nameOf(field)])]);
  return Object.fromEntries([...Object.entries(JSON.parse(texts[OTHERS])), ...told.filter(([, value]) => value !== undefined)]);
}

function read(field, text) {
  try {
    return valueOf(field, text);
  } catch (error) {
    throw new Invalid({ [nameOf(field)]: 'is not JSON' }, `${field.name} is not JSON: ${error.message}`);
  }
}

function parsed(text, path) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Invalid({ [path]: `is not JSON: ${error.message}` }, 'The payload is not JSON.');
  }
}

/** The payload that a filled form says; throws `Invalid` where it is not as it is declared. */
export function payloadIn(qualities, texts) {
  const { schema } = qualities.find((each) => each.name === texts.name);
  const payload = payloadOf(schema, texts);
  const faults = faultsOf({ ...schema, type: 'object' }, payload, WHOLE, schema);
  if (faults.length) throw new Invalid(Object.fromEntries(faults.reverse()), 'This is not as it is declared.');
  return payload;
}
