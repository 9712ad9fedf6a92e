import { parentPort, workerData } from "node:worker_threads";
import { fail } from "@tessera/core/base/error";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { probeFace } from "./face.ts";
import type { Probe } from "./pipeline.ts";
import { openFaceTools, openVoiceTools } from "./tools.ts";
import { probeVoice } from "./voice.ts";
import { type FromWorker, failureOf, type PipelineWorkerData, type ProbeRequest, type ToWorker } from "./wire.ts";

type Answerer = (request: ProbeRequest) => Promise<Probe>;

async function open({ models, limits }: PipelineWorkerData): Promise<Answerer> {
  const runtime = await ortNodeRuntime({ worker: false });
  const face = models.face && (await openFaceTools(runtime, models.face));
  const voice = models.voice && (await openVoiceTools(runtime, models.voice));
  return ({ modality, bytes, stop }) => {
    const options = { limits, ...(stop && { stop }) };
    if (modality === "face" && face !== undefined) return probeFace(face, bytes, options);
    if (modality === "voice" && voice !== undefined) return probeVoice(voice, bytes, options);
    throw fail("RUNTIME_FAILED", `Cannot use the capture: there is no network for ${modality}`);
  };
}

async function serve(): Promise<void> {
  const port = parentPort;
  if (port === null) return;
  const say = (message: FromWorker<Probe>): void => port.postMessage(message);
  let answer: Answerer;
  try {
    answer = await open(workerData as PipelineWorkerData);
  } catch (error) {
    say({ kind: "unfit", error: failureOf(error) });
    port.close();
    return;
  }
  port.on("message", async ({ request }: ToWorker<ProbeRequest>) => {
    try {
      say({ kind: "done", answer: await answer(request) });
    } catch (error) {
      say({ kind: "failed", error: failureOf(error) });
    }
  });
  say({ kind: "ready" });
}

await serve();
