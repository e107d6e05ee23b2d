// Messages of any vocabulary as one shape, so that they can be shown as a conversation.
//
// A message becomes `{role, name, parts, rest}`; a part is one of
//   {text}, {reasoning}, {call: {id, name, arguments}}, {result: {id, value}} or {other}.
// What is no message gives null, and is shown as the JSON that it is.

const ROLES = { human: 'user', ai: 'assistant', model: 'assistant', function: 'tool' };
const KNOWN = new Set(
  ['role', 'type', 'content', 'parts', 'text', 'name', 'reasoning', 'reasoning_details'].concat(
    ['tool_calls', 'tool_call_id', 'id'],
  ),
);

/** The messages in a value, where it is a list of nothing else. */
export function messagesOf(value) {
  if (!Array.isArray(value) || !value.length) return null;
  const found = value.map(messageOf);
  return found.every(Boolean) ? found : null;
}

/** A plain text as what one of a role says. */
export const said = (role, text) => ({ role, parts: [{ text }], rest: {} });

function messageOf(value) {
  if (typeof value === 'string') return said('', value);
  if (!isObject(value)) return null;
  const told = value.role ?? (value.type in ROLES || value.type === 'system' ? value.type : null);
  const content = value.content ?? value.parts ?? value.text;
  if (typeof told !== 'string' || (content === undefined && !value.tool_calls)) return null;
  const role = ROLES[told] ?? told;
  const parts = [...reasoningOf(value), ...contentOf(content, role, value), ...callsOf(value)];
  const rest = Object.fromEntries(Object.entries(value).filter(([key]) => !KNOWN.has(key)));
  return { role, name: typeof value.name === 'string' ? value.name : undefined, parts, rest };
}

function reasoningOf({ reasoning, reasoning_details: details }) {
  const told = reasoning ?? details;
  if (told === undefined || told === null || told === '') return [];
  return [{ reasoning: told }];
}

function contentOf(content, role, { tool_call_id: id }) {
  if (content === undefined || content === null || content === '') return [];
  if (role === 'tool' && !(Array.isArray(content) && content.some(isResult))) {
    return [{ result: { id, value: content } }];
  }
  return (Array.isArray(content) ? content : [content]).map(partOf);
}

const isResult = (block) => /tool_(result|call_response)/.test(block?.type);

/** One block of a content, as the vocabularies write them. */
function partOf(block) {
  if (typeof block === 'string') return { text: block };
  if (!isObject(block)) return { other: block };
  const text = block.text ?? block.content;
  if (isResult(block)) {
    const id = block.tool_use_id ?? block.tool_call_id ?? block.id;
    return { result: { id, value: block.content ?? block.response ?? block.result } };
  }
  if (/^(tool_use|tool_call|function_call)$/.test(block.type)) return { call: callOf(block) };
  if (/^(thinking|reasoning)$/.test(block.type)) {
    return { reasoning: block.thinking ?? block.reasoning ?? text ?? block };
  }
  if (/^((in|out)put_)?text$/.test(block.type ?? 'text') && typeof text === 'string') return { text };
  return { other: block };
}

const callsOf = ({ tool_calls: calls }) =>
  Array.isArray(calls) ? calls.filter(isObject).map((call) => ({ call: callOf(call) })) : [];

function callOf(call) {
  const told = isObject(call.function) ? call.function : call;
  return {
    id: call.id ?? call.call_id,
    name: String(told.name ?? 'tool'),
    arguments: value(told.arguments ?? told.input ?? told.args),
  };
}

/** Arguments that come as JSON text, as the object that they are. */
function value(told) {
  if (typeof told !== 'string') return told;
  try {
    return JSON.parse(told);
  } catch {
    return told;
  }
}

const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** Each result beside its call: calls get a `result`, and messages that only held it are left out. */
export function joined(messages) {
  const calls = new Map();
  const left = [];
  for (const message of messages) {
    const parts = [];
    for (const part of message.parts) {
      const call = part.result && calls.get(part.result.id);
      if (call && !call.result) {
        call.result = part.result;
        continue;
      }
      const copy = part.call ? { call: { ...part.call } } : part;
      if (copy.call?.id !== undefined) calls.set(copy.call.id, copy.call);
      parts.push(copy);
    }
    if (parts.length || !message.parts.length) left.push({ ...message, parts });
  }
  return left;
}

/**
 * What a span's inputs and outputs say as a conversation, and what of them is no part of it:
 * `{messages, inputs, outputs}`.
 */
export function conversationOf(inputs, outputs) {
  const messages = [];
  const take = (from, name, role) => {
    const told = from[name];
    const found = typeof told === 'string' && told ? [said(role, told)] : messagesOf(told);
    if (!found) return false;
    messages.push(...found.map((each) => ({ ...each, role: each.role || role })));
    delete from[name];
    return true;
  };
  const [asked, answered] = [inputs, outputs].map((value) => (isObject(value) ? { ...value } : {}));
  take(asked, 'system', 'system');
  ['messages', 'input'].some((name) => take(asked, name, 'user'));
  const count = messages.length;
  ['messages', 'content', 'output'].some((name) => take(answered, name, 'assistant'));
  const hasCalls = messages.slice(count).some(({ parts }) => parts.some((part) => part.call));
  if (hasCalls) delete answered.tool_calls; // the same once more
  return {
    messages: joined(messages),
    inputs: isObject(inputs) ? asked : inputs,
    outputs: isObject(outputs) ? answered : outputs,
  };
}
