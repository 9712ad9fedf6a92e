import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodePnm } from "@tessera/core/signal/pnm";
import { encodeWav } from "@tessera/core/signal/wav";
import { decodeImage, encodePng } from "@tessera/media/images";
import { cardPath } from "./cards.ts";
import type { AbuseSamples } from "./gateway-abuse.ts";
import { fakeFace, fakeVoice } from "./gateway-models.ts";
import type { ServiceModels } from "./gateway-service.ts";

/** Small pictures and sounds that the networks of the tests take, in every format that the gateway takes but JPEG. */
export async function fakeSamples(): Promise<AbuseSamples> {
  const face = fakeFace({ person: 1, side: 96 });
  return {
    images: [await encodePng(face), encodePnm(face)],
    sounds: [encodeWav(fakeVoice({ person: 1, seconds: 0.8 })), encodeWav(fakeVoice({ person: 2, seconds: 0.8, rateHz: 8000 }))],
  };
}

/** Pictures of real people as JPEG, PNG and PPM, and real voices, from the folder `shared`. */
export async function realSamples(shared: string): Promise<AbuseSamples> {
  const at = (path: string): Uint8Array => new Uint8Array(readFileSync(join(shared, "data", path)));
  const jpeg = at("lfw/images/Abel_Pacheco/Abel_Pacheco_0001.jpg");
  const other = at("lfw/images/Abel_Pacheco/Abel_Pacheco_0004.jpg");
  const image = await decodeImage(jpeg);
  return {
    images: [jpeg, other, await encodePng(image), encodePnm(image)],
    sounds: [at("voice-fsdd/wav/jackson/0_jackson_0.wav"), at("voice-fsdd/wav/jackson/0_jackson_5.wav")],
  };
}

/** The networks in the folder `shared`, with thresholds that nobody measured. */
export function sharedModels(shared: string) {
  const model = (path: string, card: string) => ({ model: join(shared, "models", path), card: cardPath(card) });
  const decision = { threshold: 0.4, note: "for tests; nobody measured it" };
  return {
    face: {
      detector: model("face-detection/yunet-n-320.onnx", "yunet-n-320"),
      liveness: { ...model("face-liveness/minifasnet-v2-2.7-80.onnx", "minifasnet-v2-2.7-80"), threshold: 0.5 },
      embedder: model("face-embedding/mobilefacenet-foamliu-128.onnx", "mobilefacenet-foamliu-128"),
      decision,
    },
    voice: {
      vad: model("voice/silero-vad-16k-op15.onnx", "silero-vad-16k"),
      embedder: model("voice/tinysv-dvector-256.onnx", "tinysv-dvector-256"),
      decision,
    },
  } satisfies ServiceModels;
}
