import type { CardEvidence, CardThreshold } from "@tessera/core/modality/card";
import type { Judged } from "./judge.ts";

/** The thresholds that a model's card gets: those of its own templates, one for each FAR that the data could answer. */
export function thresholdsOf({ evaluated }: Judged, dataset: CardEvidence["dataset"]): readonly CardThreshold[] {
  const { accuracy, scores } = evaluated;
  return accuracy.tarAtFar.flatMap((point) => {
    if (point.kind !== "figure") return [];
    const { far, threshold, tar } = point;
    const { value, low, high, confidence } = tar;
    const [genuine, impostor] = [scores.genuine.scores.length, scores.impostor.length];
    return [{ far, threshold, evidence: { tar: value, interval: [low, high], confidence, genuine, impostor, dataset } }];
  });
}
