import type { FrameEdges } from "./front-end.ts";

/** Where frames of `frame` samples lie in a sound. */
export interface FrameLayout {
  readonly frame: number;
  readonly hop: number;
  readonly fft: number;
  readonly edges: FrameEdges;
}

/** How many frames a sound of `length` samples has; the rules are those of {@link FrameEdges}. No sound has no frames. */
export function frameCount(length: number, { frame, hop, edges }: FrameLayout): number {
  if (length <= 0) return 0;
  if (edges === "snip") return length < frame ? 0 : 1 + Math.floor((length - frame) / hop);
  if (edges === "pad-end") return length <= frame ? 1 : 1 + Math.ceil((length - frame) / hop);
  return 1 + Math.floor(length / hop);
}

/** Copies the samples of frame `index` into `out` (of `frame` numbers); what lies beyond the ends is zero or mirrored. */
export function copyFrame(
  samples: Float64Array,
  index: number,
  options: { readonly layout: FrameLayout; readonly out: Float64Array },
): void {
  const { layout, out } = options;
  const { frame, hop, fft, edges } = layout;
  const centred = edges === "centre-zero" || edges === "centre-reflect";
  const begin = index * hop + (centred ? Math.floor((fft - frame) / 2) - fft / 2 : 0);
  const { length } = samples;
  for (let i = 0; i < frame; i++) {
    const at = begin + i;
    if (at >= 0 && at < length) out[i] = samples[at] as number;
    else out[i] = edges === "centre-reflect" ? (samples[mirrored(at, length)] as number) : 0;
  }
}

/** Position of `at` when 0 and length - 1 are mirrors. */
function mirrored(at: number, length: number): number {
  if (length === 1) return 0;
  const period = 2 * (length - 1);
  const inside = ((at % period) + period) % period;
  return inside < length ? inside : period - inside;
}
