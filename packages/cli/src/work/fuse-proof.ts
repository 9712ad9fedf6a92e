import { fail } from "@tessera/core/base/error";
import { modelToOnnx } from "@tessera/core/convert/onnx/bytes";
import type { Feeds, LoadOptions, Runtime, Session } from "@tessera/core/graph/runtime";
import { f32, type Tensor, toNumbers } from "@tessera/core/graph/tensor";
import type { FuseHead } from "@tessera/core/passes/fuse-head";
import type { FusedModel, FusedPart } from "@tessera/core/passes/fuse-models";
import { tensorDifference } from "@tessera/core/passes/proof";
import { type InputOptions, inputsFor } from "./feeds.ts";

/** That the fused graph gives what its parts give. */
export interface FuseProof {
  readonly kind: "proved" | "refuted";
  readonly runtime: string;
  readonly inputs: number;
  /** Largest difference of an output, as a share of its magnitude, and which. */
  readonly worst: { readonly output: string; readonly relative: number };
  readonly tolerance: number;
}

/** What {@link proveFused} needs. */
export interface FuseProofRequest {
  readonly runtime: Runtime;
  readonly bytes: Uint8Array;
  readonly fused: FusedModel;
  readonly head: FuseHead;
  readonly inputs: InputOptions;
  readonly tolerance: number;
  readonly signal: AbortSignal;
}

/** How the runtime is let to rewrite graphs: not at all, which compares the graphs; and as it likes, which is how they are run. */
const LEVELS = ["none", "all"] as const satisfies readonly LoadOptions["optimization"][];

/**
 * Runs the fused file and each part by itself on the same inputs and compares all outputs; what the head must give is computed from the parts' embeddings
 * in double precision here. Stops at the first difference above the tolerance.
 *
 * @throws DATA_MISSING when the parts run on none of the inputs tried
 */
export async function proveFused(request: FuseProofRequest): Promise<FuseProof> {
  const { runtime, bytes, fused, tolerance, signal } = request;
  const found = { output: "", relative: 0 };
  let count = 0;
  for (const optimization of LEVELS) {
    const whole = await runtime.load(bytes, { optimization });
    const parts: Session[] = [];
    try {
      for (const part of fused.parts) parts.push(await runtime.load(modelToOnnx(part.model), { optimization }));
      const inputs = await inputsFor(whole, request.inputs);
      for (const feeds of inputs.feeds()) {
        signal.throwIfAborted();
        count++;
        const got = await whole.run(feeds);
        for (const [output, expected] of await expectedOf(request, parts, feeds)) {
          const value = got.get(output);
          if (value === undefined) throw fail("PROOF_FAILED", `Cannot compare output ${output}: the fused file does not give it`);
          const relative = tensorDifference(expected, value);
          if (!(relative <= found.relative)) Object.assign(found, { output, relative });
          if (!(relative <= tolerance))
            return { kind: "refuted", runtime: wordsOf(runtime), inputs: count, worst: found, tolerance };
        }
      }
    } finally {
      for (const session of [whole, ...parts]) await session.close();
    }
  }
  if (count === 0) throw fail("DATA_MISSING", "Cannot prove the fused file: there is no input to run it on");
  return { kind: "proved", runtime: wordsOf(runtime), inputs: count / LEVELS.length, worst: found, tolerance };
}

function wordsOf({ id, version }: Runtime): string {
  return `${id} ${version}`;
}

/** What the fused file must give: the outputs of its parts, under their new names, and the head's. */
async function expectedOf({ fused, head }: FuseProofRequest, sessions: readonly Session[], feeds: Feeds): Promise<Feeds> {
  const expected = new Map<string, Tensor>();
  const embeddings: { readonly part: FusedPart; readonly value: Tensor }[] = [];
  for (const [i, part] of fused.parts.entries()) {
    const own = new Map([...part.inputs].map(([name, now]) => [name, feeds.get(now) as Tensor]));
    const outputs = await (sessions[i] as Session).run(own);
    for (const [name, now] of part.outputs)
      if (fused.model.graph.outputs.some((o) => o.name === now)) expected.set(now, outputs.get(name) as Tensor);
    if (part.embedding !== undefined) embeddings.push({ part, value: outputs.get(part.embedding.output) as Tensor });
  }
  if (fused.head !== undefined && head.kind !== "none") expected.set(fused.head.output, headOf(head, embeddings));
  return expected;
}

/** The head in double precision, written anew so that it shares no mistake with the graph's. */
function headOf(
  head: Exclude<FuseHead, { readonly kind: "none" }>,
  embeddings: readonly { readonly part: FusedPart; readonly value: Tensor }[],
): Tensor {
  const rows = embeddings[0]?.value.shape[0] as number;
  const results = Array.from({ length: rows }, (_, row) => {
    let values = embeddings.flatMap(({ part, value }) => {
      const { dimension, weight } = part.embedding as NonNullable<FusedPart["embedding"]>;
      const own = Array.from(toNumbers(value).subarray(row * dimension, (row + 1) * dimension));
      return unit(own).map((v) => v * Math.sqrt(weight));
    });
    if (head.kind === "concat") return values;
    for (const { weight, bias, activation } of head.layers) {
      const [matrix, offsets] = [toNumbers(weight), bias === undefined ? undefined : toNumbers(bias)];
      const before = values;
      values = Array.from({ length: weight.shape[0] as number }, (_, out) => {
        const sum = before.reduce((total, v, k) => total + v * (matrix[out * before.length + k] as number), offsets?.[out] ?? 0);
        return activation === "relu" ? Math.max(0, sum) : activation === "tanh" ? Math.tanh(sum) : sum;
      });
    }
    return unit(values);
  });
  return f32([rows, results[0]?.length ?? 0], Float32Array.from(results.flat()));
}

function unit(values: readonly number[]): readonly number[] {
  const length = Math.hypot(...values);
  return length === 0 ? values : values.map((v) => v / length);
}
