import { seededRandom } from "@tessera/core/base/random";
import type { OpenStore } from "@tessera/gateway/store/open";
import type { NewTemplate } from "@tessera/gateway/store/template-store";

/** A vector of length 1 that belongs to a seed, f32[dimension]. */
export function unitVector(seed: number, dimension = 16): Float32Array {
  const random = seededRandom(seed);
  const raw = Array.from({ length: dimension }, () => random.normal());
  const length = Math.hypot(...raw);
  return Float32Array.from(raw, (value) => value / length);
}

/** A template whose vector belongs to a seed. */
export function seededTemplate(subject: string, seed: number, modality: NewTemplate["modality"] = "face"): NewTemplate {
  return { subject, modality, space: "space", vector: unitVector(seed), samples: 1 };
}

/** All that can be told about an open store from outside, as text: two stores with the same text are in the same state. */
export async function storeState(store: OpenStore, lockoutKeys: readonly string[] = []): Promise<string> {
  const probe = unitVector(424_242);
  const templates = store.templates
    .list()
    .map((info) => ({
      ...info,
      score: store.templates.score(info.subject, { modality: info.modality, space: info.space, vector: probe })?.toFixed(4),
    }))
    .sort((a, b) => (a.id < b.id ? -1 : 1));
  const locks = lockoutKeys.map((key) => {
    const answer = store.lockout.check(key);
    return answer.allowed ? "free" : answer.needsPrimary ? "primary" : "wait";
  });
  return JSON.stringify({ templates, locks, audit: await store.audit.read(1, 1e6) });
}
