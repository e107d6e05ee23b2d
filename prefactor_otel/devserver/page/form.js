// What a JSON schema declares as the fields of a form, and where a value differs from it.

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
const isNumber = (value) => typeof value === 'number';
const isText = (value) => typeof value === 'string';

/** References that lead nowhere but to each other end after so many. */
const DEEPEST = 8;

const at = (root, pointer) =>
  pointer
    .split('/')
    .slice(1)
    .reduce((place, name) => (isObject(place) ? place[name.replace(/~1/g, '/').replace(/~0/g, '~')] : undefined), root);

/** What a schema says behind references, and beside null: `{schema, isNullable}`. */
function resolved(told, root, left = DEEPEST) {
  if (!isObject(told) || !left) return { schema: { type: [] }, isNullable: true };
  const { $ref: pointer, allOf, anyOf, oneOf, ...own } = told;
  const types = [own.type ?? []].flat();
  const type = types.filter((each) => each !== 'null');
  const variants = [anyOf ?? oneOf ?? allOf ?? []].flat();
  const others = variants.filter((each) => each?.type !== 'null');
  const meant = isText(pointer) ? at(root, pointer) : others.length === 1 ? others[0] : null;
  if (meant) {
    const inner = resolved(meant, root, left - 1);
    const schema = { ...inner.schema, ...own, type: type.length ? type : inner.schema.type };
    return { schema, isNullable: inner.isNullable || others.length < variants.length };
  }
  const isNullable = variants.length > 0 || !types.length || type.length < types.length;
  return { schema: { ...own, type }, isNullable };
}

/** The fields of an object's schema; null where it names none, so that only JSON can say it. */
export function fieldsOf(root) {
  const { properties, required } = resolved(root, root).schema;
  if (!isObject(properties) || !Object.keys(properties).length) return null;
  return Object.entries(properties).map(([name, told]) => {
    const { schema, isNullable } = resolved(told, root);
    const isRequired = Array.isArray(required) && required.includes(name);
    return { name, title: schema.title ?? name, hint: schema.description, isRequired, isNullable, ...inputOf(schema) };
  });
}

function inputOf({ type, enum: choices, const: only, maxLength }) {
  if (only !== undefined) return { kind: 'choice', choices: [only] };
  if (Array.isArray(choices)) return { kind: 'choice', choices: choices.filter((each) => each !== null) };
  if (type.length !== 1) return { kind: 'json' };
  if (type[0] === 'boolean') return { kind: 'choice', choices: [true, false] };
  if (type[0] === 'number' || type[0] === 'integer') return { kind: 'number' };
  if (type[0] === 'string') return { kind: maxLength <= 80 ? 'line' : 'text' };
  return { kind: 'json' };
}

/** A value as the text of its field. */
export function textOf({ kind }, value) {
  if (value === undefined || value === null) return '';
  if (kind === 'choice') return JSON.stringify(value);
  return kind === 'json' ? JSON.stringify(value, null, 2) : String(value);
}

/** The value that a field's text stands for; undefined for none. Throws where it should be JSON and is not. */
export function valueOf({ kind, isRequired, isNullable }, text) {
  if (!text) return isRequired && isNullable ? null : undefined;
  if (kind === 'choice' || kind === 'json') return JSON.parse(text);
  return kind === 'number' && Number.isFinite(Number(text)) ? Number(text) : text;
}

const TYPES = {
  object: ['an object', isObject],
  array: ['a list', Array.isArray],
  string: ['a text', isText],
  boolean: ['true or false', (value) => typeof value === 'boolean'],
  number: ['a number', isNumber],
  integer: ['a whole number', Number.isInteger],
};

const ofNumbers = (value, bound) => isNumber(value) && isNumber(bound);
const ofTexts = (value, bound) => isText(value) && isNumber(bound);
const ofLists = (value, bound) => Array.isArray(value) && isNumber(bound);

/** Keywords: whether one is about a value, whether that holds to it, and what is said where it does not. */
const RULES = {
  minimum: [ofNumbers, (value, least) => value >= least, (least) => `must be at least ${least}`],
  maximum: [ofNumbers, (value, most) => value <= most, (most) => `must be at most ${most}`],
  exclusiveMinimum: [ofNumbers, (value, least) => value > least, (least) => `must be more than ${least}`],
  exclusiveMaximum: [ofNumbers, (value, most) => value < most, (most) => `must be less than ${most}`],
  minLength: [ofTexts, (value, least) => value.length >= least, (least) => `must have ${least} characters or more`],
  maxLength: [ofTexts, (value, most) => value.length <= most, (most) => `must have ${most} characters or fewer`],
  minItems: [ofLists, (value, least) => value.length >= least, (least) => `must have ${least} items or more`],
  maxItems: [ofLists, (value, most) => value.length <= most, (most) => `must have ${most} items or fewer`],
  enum: [
    (value, all) => Array.isArray(all),
    (value, all) => all.some((each) => isSame(each, value)),
    (all) => `must be one of ${all.map((each) => JSON.stringify(each)).join(', ')}`,
  ],
  const: [() => true, (value, only) => isSame(only, value), (only) => `must be ${JSON.stringify(only)}`],
};

const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/**
 * Where a value differs from its schema, as pairs of a path and what is wrong there. Keywords that are
 * not known here are left to whoever takes the value.
 */
export function faultsOf(told, value, path, root = told) {
  const { schema, isNullable } = resolved(told, root);
  if (value === null && isNullable) return [];
  const types = schema.type.filter((each) => Object.hasOwn(TYPES, each));
  if (types.length && !types.some((each) => TYPES[each][1](value))) {
    return [[path, `must be ${types.map((each) => TYPES[each][0]).join(' or ')}`]];
  }
  const broken = Object.entries(RULES).filter(
    ([name, [isAbout, holds]]) => name in schema && isAbout(value, schema[name]) && !holds(value, schema[name]),
  );
  const own = broken.map(([name, [, , say]]) => [path, say(schema[name])]);
  return [...own, ...(isObject(value) ? inObject : inList)(schema, value, path, root)];
}

function inObject({ properties: told, required, additionalProperties }, value, path, root) {
  const properties = isObject(told) ? told : {};
  const missing = [required ?? []].flat().filter((name) => isText(name) && !Object.hasOwn(value, name));
  return [
    ...missing.map((name) => [`${path}.${name}`, 'is required']),
    ...Object.entries(value).flatMap(([name, each]) => {
      if (Object.hasOwn(properties, name)) return faultsOf(properties[name], each, `${path}.${name}`, root);
      return additionalProperties === false ? [[`${path}.${name}`, 'is not declared']] : [];
    }),
  ];
}

const inList = ({ items }, value, path, root) =>
  Array.isArray(value) && isObject(items) ? value.flatMap((each, i) => faultsOf(items, each, `${path}.${i}`, root)) : [];
