import { basename, join } from "node:path";
import { at } from "@tessera/core/base/assert";
import type { ModelCard } from "@tessera/core/modality/card";
import { printCard } from "@tessera/core/modality/read-card";
import type { Artefact } from "@tessera/core/protocol/report";
import { sha256, writeFile } from "../io/files.ts";
import { stemOf, uniqueStems } from "../io/formats.ts";
import { thresholdsOf } from "./card-thresholds.ts";
import type { Evaluatee, EvaluateReport } from "./evaluatee.ts";
import type { Judged } from "./judge.ts";

/**
 * Writes the card of each model with the thresholds that were just measured and the digest of the file that they belong to. The embedding space stays
 * what the card says: nothing was mixed, so nothing is known of other models' templates.
 */
export function writeThresholdCards(
  outDir: string,
  facts: {
    readonly models: readonly Evaluatee[];
    readonly rows: EvaluateReport["models"];
    readonly judged: readonly Judged[];
  },
): readonly Artefact[] {
  const { models, rows, judged } = facts;
  const stems = uniqueStems(rows.map(({ file }) => stemOf(basename(file))));
  return models.map(({ card, data }, i) => {
    const { file: path, sha256: digest } = at(rows, i);
    const thresholds = thresholdsOf(at(judged, i), { name: data.name, sha256: data.digest });
    const written: ModelCard = { ...card, modelSha256: digest, thresholds };
    const file = `${at(stems, i)}.card.json`;
    const text = printCard(written);
    writeFile(join(outDir, file), text);
    const says = `card of ${path}, with ${thresholds.length === 1 ? "a threshold" : `${thresholds.length} thresholds`}`;
    return { file, says, sizeBytes: new TextEncoder().encode(text).length, sha256: sha256(text) };
  });
}
