import { parentPort } from "node:worker_threads";
import { isTesseraError } from "@tessera/core/base/error";
import { type Engine, type NamedTensors, runtimeError } from "./engine.ts";
import type { AnswerMessage, Answers, ErrorRecord, Request, RequestMessage } from "./engine-wire.ts";
import { openEngine } from "./engines.ts";

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

/** The way back to who started this thread or process. */
interface Port {
  post(message: AnswerMessage, transfer: ArrayBuffer[]): void;
  onMessage(listener: (message: RequestMessage) => void): void;
  close(): void;
}

function serve(port: Port): void {
  let engine: Engine | undefined;

  async function answer(request: Request): Promise<Answers[keyof Answers]> {
    if (request.kind === "open") {
      engine = await openEngine(request.bytes, request.spec);
      const { inputs, outputs, encodings, profiles } = engine;
      return { inputs, outputs, profiles, ...(encodings && { encodings }) };
    }
    if (!engine) throw new Error("the session is not open");
    switch (request.kind) {
      case "run":
        return await engine.run(request.feeds);
      case "time":
        return await engine.time(request.feeds, request);
      case "profile":
        return await engine.profile(request.feeds, request);
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
      port.post(message, request.kind === "run" ? movable(value as NamedTensors) : []);
    } catch (error) {
      const message: AnswerMessage = { id, ok: false, error: recordOf(error), broken: engine?.broken ?? false };
      port.post(message, []);
    }
    if (request.kind === "close") port.close();
  }

  // One at a time, in order: the promises of a binding would otherwise let a second request in between.
  let last = Promise.resolve();
  port.onMessage((message) => {
    last = last.then(() => handle(message));
  });
}

if (parentPort) {
  const port = parentPort;
  serve({
    post: (message, transfer) => port.postMessage(message, transfer),
    onMessage: (listener) => void port.on("message", listener),
    close: () => port.close(),
  });
} else if (process.send) {
  serve({
    post: (message) => void process.send?.(message),
    onMessage: (listener) => void process.on("message", listener),
    close: () => process.disconnect(),
  });
}
