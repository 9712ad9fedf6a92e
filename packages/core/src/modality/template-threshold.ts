import type { CardCompatibility, ModelCard } from "./card.ts";

/** Where a stored template comes from, as it was noted when it was enrolled. */
export interface TemplateOrigin {
  /** Embedding-space id on the card of the model that enrolled. */
  readonly space: string;
  /** SHA-256 of that model's file. */
  readonly modelSha256?: string;
}

/** What a device does with a template. */
export type TemplateUse =
  /** Compare, and accept at the threshold; after mapping by the adapter where there is one. */
  | { readonly kind: "compare"; readonly threshold: number; readonly adapter?: CardCompatibility["adapter"] }
  /** Do not compare. */
  | { readonly kind: "refuse"; readonly says: string };

/**
 * Which threshold holds for a template, by the card of the model that probes. The very model that enrolled decides, if the card lists it; else its
 * space does, with the strictest threshold of that space. What was never measured is refused, and so is a FAR stricter than any on the card.
 */
export function templateThreshold(card: ModelCard, template: TemplateOrigin, far: number): TemplateUse {
  const { space, modelSha256 } = template;
  const foreign = card.compatibility ?? [];
  if (modelSha256 === undefined || modelSha256 !== card.modelSha256) {
    const same = foreign.filter((c) => c.gallerySpace === space && modelSha256 !== undefined && c.gallerySha256 === modelSha256);
    if (same.length > 0) return fromListed(card, same, far);
  }
  if (space === card.embeddingSpace) {
    const own = nearest(card.thresholds, far);
    return own.length === 0 ? refusal(far) : { kind: "compare", threshold: strictest(card, own).threshold };
  }
  const ofSpace = foreign.filter((c) => c.gallerySpace === space);
  return fromListed(card, ofSpace, far);
}

function fromListed(card: ModelCard, rows: readonly CardCompatibility[], far: number): TemplateUse {
  if (rows.length === 0)
    return { kind: "refuse", says: "The card knows nothing of the embedding space that the template was made in" };
  const found = nearest(rows, far);
  if (found.length === 0) return refusal(far);
  if (found.some((c) => c.verdict === "re-enrol"))
    return { kind: "refuse", says: "The card says that people of that model must enrol again" };
  const { threshold, adapter } = strictest(card, found);
  if (threshold === undefined) return refusal(far);
  return { kind: "compare", threshold, ...(adapter === undefined ? {} : { adapter }) };
}

/** The rows of the largest FAR that does not exceed the one asked for. */
function nearest<T extends { readonly far: number }>(rows: readonly T[], far: number): readonly T[] {
  const fit = rows.filter((row) => row.far <= far * (1 + 1e-9));
  const best = Math.max(...fit.map((row) => row.far));
  return fit.filter((row) => row.far === best);
}

/** The row that accepts least: a similarity must reach its threshold, a distance must not pass it. */
function strictest<T extends { readonly threshold?: number }>({ output }: ModelCard, rows: readonly T[]): T {
  const sign = output.kind === "embedding" && output.metric === "euclidean" ? -1 : 1;
  return rows.reduce((a, b) => (sign * (b.threshold ?? 0) > sign * (a.threshold ?? 0) ? b : a));
}

function refusal(far: number): TemplateUse {
  return { kind: "refuse", says: `The card has no threshold for a false accept rate of ${far} or less` };
}
