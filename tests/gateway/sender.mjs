// An agent in JavaScript: a root of an agent with a model call and a tool, by OTLP as asked for.
import { SpanKind, SpanStatusCode, trace, context } from "@opentelemetry/api";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { CompressionAlgorithm } from "@opentelemetry/otlp-exporter-base";

const [encoding, url] = process.argv.slice(2);
const { OTLPTraceExporter } = await import(`@opentelemetry/exporter-trace-otlp-${encoding}`);
const exporter = new OTLPTraceExporter({ url, compression: CompressionAlgorithm.GZIP });
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
const tracer = provider.getTracer("by.hand", "1.2");

const agent = tracer.startSpan("invoke_agent clerk", {
  attributes: { "gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk" },
});
const inside = trace.setSpan(context.active(), agent);
const chat = tracer.startSpan("chat gpt-4o-mini", {
  kind: SpanKind.CLIENT,
  attributes: {
    "gen_ai.operation.name": "chat",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.output_tokens": 30,
    "gen_ai.response.finish_reasons": ["stop"],
  },
}, inside);
chat.end();
const tool = tracer.startSpan("execute_tool weather", {
  attributes: { "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather" },
}, inside);
tool.recordException(new Error("no such city"));
tool.setStatus({ code: SpanStatusCode.ERROR, message: "no such city" });
tool.end();
agent.end();
await provider.shutdown();
