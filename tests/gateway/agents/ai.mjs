// An agent of the Vercel AI SDK, which writes spans for OpenTelemetry itself.
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { generateText, stepCountIs, tool } from "ai";
import { z } from "zod";

const [baseURL, url] = process.argv.slice(2);
const exporter = new OTLPTraceExporter({ url });
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
provider.register();

const local = createOpenAICompatible({ name: "local", baseURL, apiKey: "none" });
const { text } = await generateText({
  model: local("gpt-4o-mini"),
  system: "You are a clerk.",
  prompt: "What is the weather in Paris?",
  tools: {
    get_weather: tool({
      description: "The weather of a city.",
      inputSchema: z.object({ city: z.string() }),
      execute: async ({ city }) => `sunny in ${city}`,
    }),
  },
  stopWhen: stepCountIs(4),
  experimental_telemetry: { isEnabled: true, functionId: "clerk" },
});
console.log(text);
await provider.shutdown();
