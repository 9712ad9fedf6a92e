import { fail } from "@tessera/core/base/error";
import type { EmbeddingOutput, ModelCard } from "@tessera/core/modality/card";
import { templateThreshold } from "@tessera/core/modality/template-threshold";
import type { GatewayModality } from "@tessera/core/protocol/gateway-api";

/** Where a threshold comes from: the row of the card for a false accept rate, or a number somebody answers for, with the reason. */
export type ThresholdSetting = { readonly far: number } | { readonly threshold: number; readonly note: string };

/** Templates that a probe may be compared with. Of any other embedding space nothing is compared. */
export interface ComparableSpace {
  readonly space: string;
  /** Cosine at or above which two captures are taken for one person. */
  readonly thresholdCosine: number;
}

/** What holds for one modality. */
export interface ModalityPolicy {
  /** The probe's own space first, then those of other models whose templates the card says may stay. */
  readonly spaces: readonly ComparableSpace[];
  /** Whether a capture must have passed a liveness network. */
  readonly liveness: boolean;
}

/** Scores to one number, and the number from which on it is enough. */
export interface FusionPolicy {
  /** The fused score; `undefined` when it cannot be told from these. */
  apply(scores: Readonly<Partial<Record<GatewayModality, number>>>): number | undefined;
  readonly threshold: number;
}

/** How captures become a decision: every modality must match, one is enough, or their fused score decides. */
export interface DecisionPolicy {
  readonly mode: "all" | "any" | "fused";
  readonly modalities: Readonly<Partial<Record<GatewayModality, ModalityPolicy>>>;
  /** There if and only if the mode is "fused". */
  readonly fusion?: FusionPolicy;
}

/** In the order in which answers list them. */
export const MODALITIES = ["face", "voice"] as const satisfies readonly GatewayModality[];

/**
 * What a card and a setting make of one modality. The store compares by cosine, so that a euclidean threshold is turned into the cosine of two
 * vectors of length 1 at that distance: 1 - d^2 / 2.
 * @throws GATEWAY_CONFIG when the card has no threshold for the false accept rate, or cannot be compared by cosine
 */
export function modalityPolicy(
  card: ModelCard,
  setting: ThresholdSetting,
  options: { readonly liveness: boolean },
): ModalityPolicy {
  const { embeddingSpace: own, output } = card;
  if (output.kind !== "embedding" || own === undefined)
    throw fail("GATEWAY_CONFIG", `Cannot compare by "${card.name}": its card names no embedding space`);
  if ("threshold" in setting)
    return { spaces: [{ space: own, thresholdCosine: asCosine(card, output, setting.threshold) }], liveness: options.liveness };
  const foreign = (card.compatibility ?? []).map((c) => c.gallerySpace);
  const spaces = [...new Set([own, ...foreign])].flatMap((space) => {
    const use = templateThreshold(card, { space }, setting.far);
    // Adapters would have to map every stored template first: such people enrol again.
    if (use.kind === "refuse" || use.adapter !== undefined) return [];
    return [{ space, thresholdCosine: asCosine(card, output, use.threshold) }];
  });
  if (spaces[0]?.space !== own) {
    const known = card.thresholds.map((t) => t.far).join(", ");
    throw fail(
      "GATEWAY_CONFIG",
      `Cannot decide by "${card.name}" at a false accept rate of ${setting.far}: its card has ${known === "" ? "no thresholds" : `thresholds for ${known}`}`,
      {
        hint: "Have `tessera evaluate MODEL --data DATA --far FAR --out DIR` write a card with measured thresholds, or give `threshold` with a `note` (for init: --face-threshold or --voice-threshold, with --note)",
      },
    );
  }
  return { spaces, liveness: options.liveness };
}

function asCosine(card: ModelCard, output: EmbeddingOutput, threshold: number): number {
  if (output.metric === "cosine") return threshold;
  if (!output.normalised)
    throw fail("GATEWAY_CONFIG", `Cannot compare by "${card.name}": its distances are between vectors of any length`);
  return 1 - (threshold * threshold) / 2;
}
