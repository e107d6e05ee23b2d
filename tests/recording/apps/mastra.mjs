// An agent of Mastra, by its exporter for OpenTelemetry: `agent CITY`.
import { createOpenAI } from "@ai-sdk/openai";
import { Mastra } from "@mastra/core";
import { Agent } from "@mastra/core/agent";
import { createTool } from "@mastra/core/tools";
import { Observability } from "@mastra/observability";
import { OtelExporter } from "@mastra/otel-exporter";
import { z } from "zod";

export async function main({ given: [, city], exporter }) {
  const get_weather = createTool({
    id: "get_weather",
    description: "Weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => {
      if (city !== "Paris") throw new Error(`no weather station in ${city}`);
      return { weather: `sunny, 21C in ${city}` };
    },
  });
  const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: "none" });
  const agent = new Agent({
    id: "weather_agent",
    name: "weather_agent",
    instructions: "You are a weather assistant.",
    model: openai.chat("gpt-4o-mini"),
    tools: { get_weather },
  });
  const otel = new OtelExporter({ exporter, provider: { custom: { endpoint: "http://127.0.0.1:9" } }, signals: { logs: false } });
  const configs = { otel: { serviceName: "recorded", exporters: [otel] } };
  const mastra = new Mastra({ agents: { agent }, observability: new Observability({ configs }) });
  const answer = await mastra.getAgent("agent").generate(`What is the weather in ${city}?`);
  console.log(answer.text);
  await mastra.shutdown();
}
