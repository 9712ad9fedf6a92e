import { at } from "@tessera/core/base/assert";
import type { Runtime } from "@tessera/core/graph/runtime";
import { type Differs, testContract } from "@tessera/core/modality/face/contract-test";
import { selectCrops } from "@tessera/core/modality/face/crops";
import type { Estimate, PreprocessingCheck } from "@tessera/core/protocol/report";
import type { EvaluationSet } from "./accuracy.ts";
import { cardSession } from "./card-terms.ts";
import type { PeopleData } from "./people-data.ts";
import { type EmbeddingCard, isFaceCard } from "./samples.ts";

/** Tries the usual pre-processing mistakes on the evaluation's faces; says so where there are too few people to tell, or voices. */
export async function checkPreprocessing(
  bytes: Uint8Array,
  options: {
    readonly runtime: Runtime;
    readonly card: EmbeddingCard;
    readonly data: PeopleData;
    readonly set: EvaluationSet;
    /** Also other ways of cutting faces out. */
    readonly geometry?: boolean;
    readonly onProgress?: (done: number, of: number) => void;
    readonly signal: AbortSignal;
  },
): Promise<PreprocessingCheck> {
  const { runtime, card, data, set, signal, geometry = false, onProgress } = options;
  if (data.samples.kind !== "crops" || !isFaceCard(card))
    return { says: "the usual mistakes are those of pictures: none was tried on voices", questioned: false, variants: [] };
  const session = cardSession(await runtime.load(bytes, { threads: 2 }), card);
  try {
    const crops = selectCrops(data.samples, set.rows);
    const subjects = set.rows.map((row) => at(data.manifest.subjects ?? [], row));
    const test = await testContract(
      { session, card },
      { crops, subjects },
      { signal, geometry, ...(onProgress === undefined ? {} : { onProgress }) },
    );
    return {
      says: test.says,
      questioned: test.verdict === "questioned",
      variants: [
        { name: "declared by the card", declared: true, dPrime: test.declared.dPrime, tar: test.declared.tar },
        ...test.variants.map((v) => ({
          name: v.name,
          declared: false,
          dPrime: v.dPrime,
          tar: v.tar,
          ...(v.verdict === "failed" ? {} : { dPrimeGain: estimate(v.dPrimeGain), tarGain: estimate(v.tarGain) }),
          verdict: v.verdict,
        })),
      ],
      basis: { far: test.far, crops: test.crops, people: test.people },
    };
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "INSUFFICIENT_DATA" || error.code === "SCORES_INVALID")) {
      return { says: error.message, questioned: false, variants: [] };
    }
    throw error;
  } finally {
    await session.close();
  }
}

function estimate({ value, interval }: Differs): Estimate {
  return { value, ...interval };
}
