import { parentPort, workerData } from "node:worker_threads";
import { fail } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import { cropsOf } from "@tessera/core/modality/face/crops";
import { detectFaces } from "@tessera/core/modality/face/detect";
import { embedCrops } from "@tessera/core/modality/face/embed";
import { judgeLiveness } from "@tessera/core/modality/face/liveness";
import { ortNodeRuntime } from "@tessera/runtimes/ort-node";
import { blankPicture, type FaceTools, probeFace } from "./face.ts";
import type { PipelineModels } from "./models.ts";
import type { Probe } from "./pipeline.ts";
import { type FromWorker, failureOf, type PipelineWorkerData, type ProbeRequest, type ToWorker } from "./wire.ts";

/** Loads the networks of a face and runs each once: the first run is slow, and a card that contradicts its model is found out here. */
async function faceTools(runtime: Runtime, models: NonNullable<PipelineModels["face"]>): Promise<FaceTools> {
  const load = (model: { readonly bytes: Uint8Array }) => runtime.load(model.bytes, { threads: 1 });
  const { detector, liveness, embedder } = models;
  const tools: FaceTools = {
    detector: { session: await load(detector), card: detector.card },
    ...(liveness && { liveness: { session: await load(liveness), card: liveness.card, threshold: liveness.threshold } }),
    embedder: { session: await load(embedder), card: embedder.card },
  };
  const { width, height } = embedder.card.input;
  const blank = blankPicture(Math.max(width, height));
  await detectFaces(tools.detector, blank);
  const box = { x: 0, y: 0, width: blank.width, height: blank.height, score: 1 };
  if (tools.liveness !== undefined) await judgeLiveness(tools.liveness, blank, box);
  const crop = { ...blank, width, height, data: blank.data.subarray(0, width * height * 3) };
  await embedCrops(tools.embedder, cropsOf([crop], [""]));
  return tools;
}

type Answerer = (request: ProbeRequest) => Promise<Probe>;

async function open({ models, limits }: PipelineWorkerData): Promise<Answerer> {
  const runtime = await ortNodeRuntime({ worker: false });
  const face = models.face && (await faceTools(runtime, models.face));
  return ({ modality, bytes, stop }) => {
    if (modality === "face" && face !== undefined) return probeFace(face, bytes, { limits, ...(stop && { stop }) });
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
