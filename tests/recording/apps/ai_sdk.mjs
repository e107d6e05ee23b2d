// The AI SDK: `agent|stream|object|embed CITY`, of version 7 or, where @ai-sdk/otel is missing, 6.
import * as ai from "ai";
import { createOpenAI } from "@ai-sdk/openai";
import { z } from "zod";

async function telemetry() {
  const wanted = { isEnabled: true, functionId: "weather_agent" };
  if (!ai.registerTelemetry) return { experimental_telemetry: wanted };
  const { OpenTelemetry } = await import("@ai-sdk/otel");
  ai.registerTelemetry(new OpenTelemetry());
  return { telemetry: wanted };
}

function getWeather({ city }) {
  if (city !== "Paris") throw new Error(`no weather station in ${city}`);
  return `sunny, 21C in ${city}`;
}

export async function main({ given: [way, city] }) {
  const told = await telemetry();
  const openai = createOpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: "none" });
  const prompt = `What is the weather in ${city}?`;
  if (way === "embed") {
    const model = openai.embedding("text-embedding-3-small");
    console.log(await ai.embed({ model, value: prompt, ...told }));
    return;
  }
  const get_weather = ai.tool({
    description: "Weather of a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: getWeather,
  });
  const asked = {
    model: openai.chat("gpt-4o-mini"),
    system: "You are a weather assistant.",
    prompt,
    tools: { get_weather },
    stopWhen: ai.stepCountIs(3),
    maxRetries: 0,
    ...told,
  };
  if (way === "stream") console.log(await ai.streamText(asked).text);
  else console.log((await ai.generateText(asked)).text);
}
