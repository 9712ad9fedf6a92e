import { isTesseraError } from "@tessera/core/base/error";
import type { Model } from "@tessera/core/graph/model";
import { simplifyModel } from "@tessera/core/passes/simplify";
import type { Target } from "@tessera/core/targets/target";

/** By model, then by the passes that a target adds: many targets add the same ones, or none. */
const remembered = new WeakMap<Model, Map<string, Promise<Model>>>();

/**
 * A model as it would be simplified for a target (or for none), to be looked at and never computed with: nothing is proved. A model that cannot be
 * simplified is judged as it is. Each form is made once for as long as the model lives.
 */
export function simplifiedToLookAt(model: Model, target?: Target): Promise<Model> {
  const known = remembered.get(model) ?? new Map<string, Promise<Model>>();
  remembered.set(model, known);
  const key = (target?.floatRewrites ?? []).map((rewrite) => rewrite.pass).join();
  const form = known.get(key) ?? simplified(model, target);
  known.set(key, form);
  return form;
}

async function simplified(model: Model, target: Target | undefined): Promise<Model> {
  try {
    return (await simplifyModel(model, { prove: false, ...(target === undefined ? {} : { target }) })).model;
  } catch (error) {
    if (!isTesseraError(error)) throw error;
    return model;
  }
}
