// An agent of Mastra, by its own tracing and that one's exporter for OpenTelemetry.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Mastra } from "@mastra/core";
import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { Observability } from "@mastra/observability";
import { OtelExporter } from "@mastra/otel-exporter";
import { z } from "zod";

const [baseURL, endpoint] = process.argv.slice(2);
const local = createOpenAICompatible({ name: "local", baseURL, apiKey: "none" });
const get_weather = createTool({
  id: "get_weather",
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  execute: async ({ city }) => ({ told: `sunny in ${city}` }),
});
const clerk = new Agent({
  id: "clerk",
  name: "clerk",
  instructions: "You are a clerk.",
  model: local("gpt-4o-mini"),
  tools: { get_weather },
});
const custom = { endpoint, protocol: "http/protobuf" };
const exporters = [new OtelExporter({ provider: { custom }, signals: { logs: false } })];
const observability = new Observability({
  configs: { otel: { serviceName: "shop", exporters } },
});
const mastra = new Mastra({ agents: { clerk }, observability, logger: false });
const { text } = await mastra.getAgent("clerk").generate("What is the weather in Paris?");
console.log(text);
await observability.shutdown();
process.exit(0); // what it has open otherwise is none of ours
