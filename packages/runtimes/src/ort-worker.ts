import { parentPort } from "node:worker_threads";
import { isTesseraError } from "@tessera/core/base/error";
import type { LoadOptions } from "@tessera/core/graph/runtime";
import { type NamedTensors, type OrtEngine, openEngine, profileModel, runtimeError } from "./ort-engine.ts";
import { importOrt } from "./ort-module.ts";
import type { OrtModule } from "./ort-tensor.ts";
import type { AnswerMessage, Answers, ErrorRecord, Request, RequestMessage } from "./ort-wire.ts";

/** The buffers to move out of this thread with an answer. */
function movable(tensors: NamedTensors): ArrayBuffer[] {
  return tensors.flatMap(([, { bytes }]) => (bytes.buffer instanceof ArrayBuffer && bytes.byteLength > 0 ? [bytes.buffer] : []));
}

function recordOf(error: unknown): ErrorRecord {
  const ours = runtimeError("use the model", error);
  if (!isTesseraError(ours)) throw ours;
  const { cause } = ours;
  // Plain errors survive structured cloning; anything else might not.
  const plain = cause instanceof Error ? new Error(cause.message) : cause === undefined ? undefined : new Error(String(cause));
  return { code: ours.code, message: ours.message, at: ours.at, hint: ours.hint, cause: plain };
}

function serve(port: NonNullable<typeof parentPort>): void {
  let ort: OrtModule | undefined;
  let engine: OrtEngine | undefined;
  let options: LoadOptions = {};

  async function answer(request: Request): Promise<Answers[keyof Answers]> {
    if (request.kind === "open") {
      options = request.options;
      ort = await importOrt(request.flavour, options.threads);
      engine = await openEngine(ort, request.bytes, { load: options, flavour: request.flavour });
      return { inputs: engine.inputs, outputs: engine.outputs };
    }
    if (!ort || !engine) throw new Error("the session is not open");
    switch (request.kind) {
      case "run":
        return await engine.run(request.feeds);
      case "time":
        return await engine.time(request.feeds, request);
      case "profile":
        return await profileModel(ort, { ...request, options });
      case "close":
        await engine.close();
        engine = undefined;
        return undefined;
    }
  }

  async function handle({ id, request }: RequestMessage): Promise<void> {
    try {
      const value = await answer(request);
      const message: AnswerMessage = { id, ok: true, value };
      port.postMessage(message, request.kind === "run" ? movable(value as NamedTensors) : []);
    } catch (error) {
      const message: AnswerMessage = { id, ok: false, error: recordOf(error) };
      port.postMessage(message);
    }
    if (request.kind === "close") port.close();
  }

  // One at a time, in order: the binding's promises would otherwise let a second request in between.
  let last = Promise.resolve();
  port.on("message", (message: RequestMessage) => {
    last = last.then(() => handle(message));
  });
}

if (parentPort) serve(parentPort);
