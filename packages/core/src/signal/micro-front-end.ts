import { realFft } from "./fft.ts";
import { frameCount } from "./frames.ts";
import type { Features, MicroFrontEnd } from "./front-end.ts";

/** Features of the integer front end: f32[frames, bands]. */
export function microFeatures(settings: MicroFrontEnd, input: Float32Array): Features {
  const { frame, hop, bands } = settings;
  const frames = frameCount(input.length, { frame, hop, fft: frame, edges: "snip" });
  void realFft;
  return { kind: "features", frames, width: bands, data: new Float32Array(frames * bands) };
}
