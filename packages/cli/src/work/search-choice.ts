import { at } from "@tessera/core/base/assert";
import { impostorsNeeded } from "@tessera/core/biometrics/rates";
import { type EvaluationSet, evaluationSet } from "./accuracy.ts";
import { fewFaces } from "./few-faces.ts";
import { expectOnTarget } from "./inspect-prediction.ts";
import { type PeopleSplit, SEARCH_SHARE, splitPeople } from "./people.ts";
import type { OptimizeJob, OptimizeRequest, SearchDepthName } from "./request.ts";

/** A search that will be made, and who is on which side of it. */
export interface ChosenSearch {
  readonly depth: Exclude<SearchDepthName, "off" | "auto">;
  readonly split: PeopleSplit;
  /** The people of the search. */
  readonly set: EvaluationSet;
}

/** Unasked, a search is made only where so many times the comparisons are there that a FAR needs to be told at all. */
const ROOM = 10;
/** And with so many genuine comparisons at least. */
const LEAST_GENUINE = 100;

/** So many false matches are to be expected among the faces of a search: their noise is what it measures. */
const FALSE_MATCHES = 30;
/** No fewer faces than these. */
const LEAST_FACES = 500;

/** Faces that a search at a FAR looks at for every point: more would take longer and decide nothing else. */
function mostFaces(far: number): number {
  return Math.max(LEAST_FACES, Math.ceil(Math.sqrt((2 * FALSE_MATCHES) / far)));
}

/**
 * Whether there is a search, how far it goes and on whom. Unasked, people are taken off the report only where enough are left on both sides.
 *
 * @param slower - that integers are expected to be slower than float here, in words: then they are not what will be picked, unless it is for their size
 * @throws DATASET_INVALID for a split that leaves a side empty
 */
export function chooseSearch(
  request: OptimizeRequest,
  whole: EvaluationSet,
  slower?: string,
): { readonly search?: ChosenSearch; readonly note?: string } {
  const { search: asked, evaluation, protocol, seed, budgets, target } = request;
  if (asked === undefined || asked.depth === "off") return {};
  if (target.noIntegers !== undefined) return { note: `no search: ${target.noIntegers.why}` };
  const isAsked = asked.depth !== "auto" || asked.on !== undefined;
  const rule = asked.on ?? ({ kind: "seeded", share: SEARCH_SHARE, seed } as const);
  if (!isAsked && whole.people.length < 3) return {};
  if (!isAsked && slower !== undefined && budgets.maxSizeBytes === undefined)
    return { note: `no search for better integers: ${slower}; --search quick or full searches all the same` };
  const split = splitPeople(evaluation, whole.people, rule);
  const set = evaluationSet(evaluation, { protocol, people: split.search });
  if (!isAsked) {
    const enough = (impostor: number, genuine: number): boolean =>
      impostor >= ROOM * impostorsNeeded(budgets.far) && genuine >= LEAST_GENUINE;
    if (!enough(set.impostor, set.genuine) || !enough(whole.impostor / 4, whole.genuine / 2))
      return {
        note: `no search: a third of the ${whole.people.length} people is too few to search on at FAR ${budgets.far}; --search quick or full searches all the same`,
      };
  }
  const few = fewFaces(set.subjects, mostFaces(budgets.far));
  const rows = new Set(few.map((i) => at(set.rows, i)));
  const judged = protocol === "pair-list" ? set : evaluationSet(evaluation, { protocol, people: split.search, rows });
  return { search: { depth: asked.depth === "quick" ? "quick" : "full", split, set: judged } };
}

/** That integers are expected to be slower than float on a target, in words; `undefined` when they are not, when nobody can tell, or when it does not matter. */
export async function expectedSlower({ search, target, model }: OptimizeJob): Promise<string | undefined> {
  if (search?.depth !== "auto" || search.on !== undefined) return undefined;
  const expected = await expectOnTarget(model, target);
  if (!("prediction" in expected)) return undefined;
  const { speedup, verdict } = expected.prediction;
  return speedup !== undefined && speedup.high < 1 ? verdict : undefined;
}
