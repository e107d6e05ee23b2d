// An agent of Strands, by its own set-up of OpenTelemetry.
import { Agent, tool } from "@strands-agents/sdk";
import { OpenAIModel } from "@strands-agents/sdk/models/openai";
import { setupTracer } from "@strands-agents/sdk/telemetry";
import { z } from "zod";

const [baseURL] = process.argv.slice(2);
const provider = setupTracer({ exporters: { otlp: true } }); // by OTEL_EXPORTER_OTLP_ENDPOINT

const get_weather = tool({
  name: "get_weather",
  description: "The weather of a city.",
  inputSchema: z.object({ city: z.string() }),
  callback: ({ city }) => `sunny in ${city}`,
});
const clerk = new Agent({
  name: "clerk",
  model: new OpenAIModel({ api: "chat", modelId: "gpt-4o-mini", apiKey: "none", clientConfig: { baseURL } }),
  systemPrompt: "You are a clerk.",
  tools: [get_weather],
  printer: false,
});
const result = await clerk.invoke("What is the weather in Paris?");
console.log(String(result));
await provider.forceFlush();
await provider.shutdown();
