import type { Attribute, Node } from "../graph/model.ts";
import type { Tensor } from "../graph/tensor.ts";
import { sameTensor } from "../graph/tensor.ts";
import { opRow } from "../ops/table.ts";
import { graphPass, type Pass } from "./pass.ts";

/**
 * Keeps one of several nodes that compute the same thing from the same values (common sub-expressions). Random operators, operators that
 * Tessera does not know and nodes with subgraphs stay. Enters subgraphs, each for itself.
 */
export function mergeDuplicates(): Pass {
  return graphPass("merge-duplicates", "Computes the same thing only once", (draft, log) => {
    const seen = new Map<string, Node[]>();
    for (const node of draft.nodes()) {
      const current = draft.current(node);
      const row = current === undefined ? undefined : opRow(current);
      if (current === undefined || row === undefined || row.deterministic === false) continue;
      if ([...current.attributes.values()].some((a) => a.kind === "graph" || a.kind === "graphs" || a.kind === "opaque"))
        continue;
      const key = `${current.op}(${current.inputs.join()})${current.outputs.map((o) => (o === "" ? "-" : "o")).join("")}`;
      const twins = seen.get(key) ?? [];
      const twin = twins.map((t) => draft.current(t)).find((t) => t !== undefined && sameAttributes(t, current));
      if (twin === undefined) {
        seen.set(key, [...twins, current]);
        continue;
      }
      if (current.outputs.some((name) => draft.isOutput(name)) || !log.may("same-node", current)) continue;
      draft.remove(current);
      current.outputs.forEach((name, i) => {
        if (name !== "") draft.renameUses(name, twin.outputs[i] as string);
      });
      log.changed("same-node", current, `same as ${twin.name}`);
    }
  });
}

function sameAttributes(a: Node, b: Node): boolean {
  if (a.attributes.size !== b.attributes.size) return false;
  return [...a.attributes].every(([name, value]) => {
    const other = b.attributes.get(name);
    return other !== undefined && sameAttribute(value, other);
  });
}

function sameAttribute(a: Attribute, b: Attribute): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === "tensor") return sameTensor(a.value, (b as { value: Tensor }).value);
  if (a.kind === "tensors" || a.kind === "graph" || a.kind === "graphs" || a.kind === "opaque") return false;
  const other = (b as { value: unknown }).value;
  if (Array.isArray(a.value))
    return Array.isArray(other) && a.value.length === other.length && a.value.every((v, i) => Object.is(v, other[i]));
  return Object.is(a.value, other);
}

/** Constants smaller than this are not worth a shared name. */
const SHARED_BYTES = 64;

/** Keeps one of several constants with the same type, shape and bytes. */
export function shareConstants(): Pass {
  return graphPass("share-constants", "Stores identical weights once", (draft, log) => {
    const seen = new Map<string, (readonly [string, Tensor])[]>();
    for (const [name, tensor] of draft.constants()) {
      if (draft.isInput(name) || draft.isOutput(name) || tensor.bytes.length < SHARED_BYTES) continue;
      const key = `${tensor.dtype}[${tensor.shape}]${fingerprint(tensor.bytes)}`;
      const twins = seen.get(key) ?? [];
      const twin = twins.find(([, t]) => sameTensor(t, tensor));
      if (twin === undefined) {
        seen.set(key, [...twins, [name, tensor]]);
        continue;
      }
      const user = draft.consumers(name)[0];
      if (user === undefined || !log.may(`same-constant:${name}`, user)) continue;
      draft.renameUses(name, twin[0]);
      draft.removeConstant(name);
      log.changed(`same-constant:${name}`, user, `${name} is ${twin[0]}`);
    }
  });
}

/** A cheap hash (FNV-1a over a sample of at most 4,096 bytes): equality is checked byte by byte afterwards. */
function fingerprint(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  const step = Math.max(1, Math.floor(bytes.length / 4096));
  for (let i = 0; i < bytes.length; i += step) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
  return hash >>> 0;
}
