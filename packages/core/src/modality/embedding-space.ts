import { sha256Hex } from "../base/sha256.ts";
import type { FeatureInput, ImageInput, ModelCard } from "./card.ts";
import { templateOf } from "./face/align.ts";

/** How ids made by {@link embeddingSpaceId} start: what they are, and the version of the rule. */
export const SPACE_ID_PREFIX = "space1-";

/**
 * The id of the space that a network's embeddings lie in, derived from content alone: which network it is (a digest of its canonical graph and
 * weights), how samples are prepared for it, and how embeddings are compared. Equal ids mean equal embeddings of equal samples; other weights or
 * another preparation give another id. Names, file formats, layouts and two spellings of one normalisation do not count.
 */
export function embeddingSpaceId(network: string, card: Pick<ModelCard, "input" | "output">): string {
  const { input, output } = card;
  const compared = output.kind === "embedding" ? [output.dimension, output.metric] : [output.kind];
  const contract = input.kind === "image" ? pictureContract(input) : featureContract(input);
  return SPACE_ID_PREFIX + sha256Hex(JSON.stringify([network, contract, compared]));
}

/** The id of an integer (or otherwise rounded) form of a network: its own, until templates of both were measured to mix. */
export function roundedSpaceId(space: string, rounding: string): string {
  return SPACE_ID_PREFIX + sha256Hex(JSON.stringify([space, rounding]));
}

/** Whether an id was derived from content; others are names that somebody gave. */
export function isContentId(id: string): boolean {
  return new RegExp(`^${SPACE_ID_PREFIX}[0-9a-f]{64}$`).test(id);
}

function pictureContract({ width, height, colour, scale, mean, std, placement }: ImageInput): unknown {
  // (x / scale - mean) / std in the one form gain x + offset; nine digits, so that 1/127.5 spelled in two ways is one number.
  const digits = (value: number): string => (Math.abs(value) < 1e-12 ? "0" : value.toPrecision(9));
  const channels = std.map((s, c) => [digits(1 / (scale * s)), digits(-(mean[c] ?? 0) / s)]);
  const placed =
    placement.kind === "align" ? ["align", templateOf(placement, width).map(({ x, y }) => [digits(x), digits(y)])] : placement;
  return ["image", width, height, colour, channels, placed];
}

function featureContract({ shape, features, sampleRateHz, preparation }: FeatureInput): unknown {
  // Axes of one element are a matter of layout: the channel of a spectrum stands first in one format and last in another.
  const axes = shape.filter((size) => size !== 1);
  return ["features", axes, features, sampleRateHz ?? 0, ...(preparation ? [sorted(preparation)] : [])];
}

/** The same value whatever the order in which its fields were written. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, inside]) => [key, sorted(inside)]);
}
