import { enrolProbeMatrix } from "@tessera/core/biometrics/matrix";
import type { Embeddings } from "@tessera/core/biometrics/similarity";
import type { CompatibilityMatrix } from "@tessera/core/protocol/report";
import type { EvaluationSet } from "./accuracy.ts";

/** Whether templates of one model serve another, at a FAR: every model enrolled against every model probing, by name. */
export function matrixOf(
  models: readonly { readonly name: string; readonly embeddings: Embeddings }[],
  set: EvaluationSet,
  far: number,
): CompatibilityMatrix {
  const matrix = enrolProbeMatrix(models, set.subjects, { aliases: set.aliases, fars: [far] });
  const mixed = matrix.cells.flatMap((row, i) => row.filter((_, j) => i !== j));
  const worst =
    ["re-enrol", "refit-threshold", "unknown", "interchangeable"].find((v) => mixed.some((c) => c.verdict === v)) ?? "unknown";
  const verdicts: Readonly<Record<string, string>> = {
    interchangeable: "Templates stay: templates of these models can be mixed at the threshold in use",
    "refit-threshold": "Templates stay, but the threshold must be re-fitted where models are mixed",
    "re-enrol": "People must enrol again when the model changes",
    unknown: "Too few comparisons to say whether templates can stay",
  };
  return {
    far,
    models: matrix.models,
    cells: matrix.cells.map((row) =>
      row.map((cell) => {
        const [point] = cell.points;
        return point?.kind === "matrix-point"
          ? {
              tar: point.own.tar,
              threshold: point.own.threshold,
              fmrAtBaselineThreshold: point.atGalleryThreshold.fmr,
              ...(cell.verdict === "unknown" ? {} : { verdict: cell.verdict }),
            }
          : {};
      }),
    ),
    verdict: verdicts[worst] ?? "",
  };
}

/**
 * Whether templates of two models may lie in one gallery: measured, in both directions, at the threshold in use. What was not measured may not, nor what
 * holds only at a threshold fitted to the mixture: a card has no place for that one, and the wrong one lets strangers in.
 */
export function sharesSpace(matrix: CompatibilityMatrix, a: string, b: string): boolean {
  const [i, j] = [matrix.models.indexOf(a), matrix.models.indexOf(b)];
  if (i < 0 || j < 0) return false;
  return [matrix.cells[i]?.[j], matrix.cells[j]?.[i]].every((c) => c?.verdict === "interchangeable");
}
