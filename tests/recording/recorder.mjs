// What recorder.py is for applications on Node.js: `node recorder.mjs FILE MODULE ARGUMENT...`.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [file, application, ...given] = process.argv.slice(2);
const load = createRequire(application);
const { trace, SpanKind, SpanStatusCode } = load("@opentelemetry/api");
const sdk = load("@opentelemetry/sdk-trace-node");

const spans = [];
const nanoseconds = ([seconds, rest]) => Number(BigInt(seconds) * 1_000_000_000n + BigInt(rest));

function recorded(span) {
  const { traceId, spanId } = span.spanContext();
  const parent = span.parentSpanContext;
  return {
    name: span.name,
    kind: SpanKind[span.kind],
    trace_id: traceId,
    span_id: spanId,
    parent_span_id: parent?.spanId ?? null,
    parent_is_remote: parent ? Boolean(parent.isRemote) : null,
    start_time_unix_nano: nanoseconds(span.startTime),
    end_time_unix_nano: nanoseconds(span.endTime),
    end_order: spans.length,
    status: { code: SpanStatusCode[span.status.code], description: span.status.message ?? null },
    attributes: span.attributes,
    events: span.events.map(({ name, time, attributes }) => ({
      name,
      time: nanoseconds(time),
      attributes: attributes ?? {},
    })),
    links: span.links.map(({ context, attributes }) => ({
      trace_id: context.traceId,
      span_id: context.spanId,
      attributes: attributes ?? {},
    })),
    resource: span.resource.attributes,
    scope: { name: span.instrumentationScope.name, version: span.instrumentationScope.version ?? "" },
    dropped: { attributes: span.droppedAttributesCount },
  };
}

export const exporter = {
  export(ended, done) {
    for (const span of ended) spans.push(recorded(span));
    done({ code: 0 });
  },
  async shutdown() {},
  async forceFlush() {},
};

const provider = new sdk.NodeTracerProvider({
  spanProcessors: [new sdk.SimpleSpanProcessor(exporter)],
});
provider.register();

const versions = { node: process.versions.node };
for (const name of process.env.VERSIONS_OF.split(" ")) {
  versions[name] = JSON.parse(readFileSync(`node_modules/${name}/package.json`, "utf8")).version;
}

try {
  const { main } = await import(pathToFileURL(application));
  await main({ given, trace, exporter });
} catch (error) {
  console.error(error); // a run that fails is a recording, too
}
await provider.forceFlush();
writeFileSync(file, JSON.stringify({ versions, spans }));
process.exit();
