import type { Target } from "../targets/target.ts";
import { cancelMovesPass } from "./cancel-moves.ts";
import { dropNoopsPass } from "./drop-noops.ts";
import { flushTinyPass } from "./flush-tiny.ts";
import { foldAffine } from "./fold-affine.ts";
import { foldAffineAheadPass } from "./fold-affine-ahead.ts";
import { foldConstants } from "./fold-constants.ts";
import { foldPadPass } from "./fold-pad.ts";
import { foldShapesPass } from "./fold-shapes.ts";
import { mergeDuplicates, shareConstants } from "./merge-duplicates.ts";
import { mergeSlicesPass } from "./merge-slices.ts";
import { normaliseActivationsPass } from "./normalise-activations.ts";
import { padChannelsPass } from "./pad-channels.ts";
import type { Pass } from "./pass.ts";
import { pushTransposesPass } from "./push-transposes.ts";
import { recognisePass } from "./recognise.ts";
import { removeDead } from "./remove-dead.ts";
import { resolveIfPass } from "./resolve-if.ts";
import { splitPrelu } from "./split-prelu.ts";

/** Options of {@link defaultPasses}. */
export interface DefaultPassesOptions {
  /** Adds the rewrites that pay in float on this target. */
  readonly target?: Target;
}

/** The passes of `tessera simplify`, in order. */
export function defaultPasses(options: DefaultPassesOptions = {}): readonly Pass[] {
  const forTarget = new Set(options.target?.floatRewrites.map((r) => r.pass));
  return [
    foldConstants(),
    foldShapesPass(),
    resolveIfPass(),
    removeDead(),
    dropNoopsPass(),
    mergeSlicesPass(),
    cancelMovesPass(),
    pushTransposesPass(),
    foldPadPass(),
    normaliseActivationsPass(),
    recognisePass(),
    foldAffine(),
    foldAffineAheadPass(),
    flushTinyPass(),
    mergeDuplicates(),
    shareConstants(),
    removeDead(),
    ...(forTarget.has("pad-channels") ? [padChannelsPass()] : []),
    ...(forTarget.has("split-prelu") ? [splitPrelu({ asConv: forTarget.has("pad-channels") })] : []),
  ];
}
