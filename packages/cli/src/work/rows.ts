import type { ValueInfo } from "@tessera/core/graph/model";
import type { Feeds, Session } from "@tessera/core/graph/runtime";
import type { Tensor } from "@tessera/core/graph/tensor";

function batchOfSession(session: Session): number | undefined {
  const sizes = new Set(session.inputs.map(({ type }) => (type.kind === "tensor" ? type.shape?.[0] : undefined)));
  const [size] = sizes;
  return sizes.size === 1 && typeof size === "number" ? size : undefined;
}

/** Some rows of a tensor whose first axis is the batch. */
function rowsOf(tensor: Tensor, from: number, count: number): Tensor {
  const each = tensor.bytes.length / (tensor.shape[0] as number);
  return {
    dtype: tensor.dtype,
    shape: [count, ...tensor.shape.slice(1)],
    bytes: tensor.bytes.subarray(from * each, (from + count) * each),
  };
}

function joined(parts: readonly Tensor[]): Tensor {
  const [first] = parts as readonly [Tensor, ...Tensor[]];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.bytes.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part.bytes, at);
    at += part.bytes.length;
  }
  return {
    dtype: first.dtype,
    shape: [parts.reduce((sum, p) => sum + (p.shape[0] as number), 0), ...first.shape.slice(1)],
    bytes,
  };
}

/** The least batch that two sessions of fixed batches can both be run on in whole runs; `undefined` where one has none, or they have the same. */
export function commonBatch(a: Session, b: Session): number | undefined {
  const [x, y] = [batchOfSession(a), batchOfSession(b)];
  if (x === undefined || y === undefined || x === y || x < 1 || y < 1) return undefined;
  let [big, small] = [x, y];
  while (small > 0) [big, small] = [small, big % small];
  return (x * y) / big;
}

/** A session of a fixed batch as one of a larger batch: several runs, one after the other, whose outputs are put together row by row. */
export function inRuns(session: Session, batch: number): Session {
  const own = batchOfSession(session) ?? batch;
  if (own === batch) return session;
  const larger = (value: ValueInfo): ValueInfo =>
    value.type.kind === "tensor" && value.type.shape !== undefined
      ? { ...value, type: { ...value.type, shape: [batch, ...value.type.shape.slice(1)] } }
      : value;
  return {
    ...session,
    inputs: session.inputs.map(larger),
    outputs: session.outputs.map(larger),
    run: async (feeds) => {
      const parts: Feeds[] = [];
      for (let from = 0; from < batch; from += own)
        parts.push(await session.run(new Map([...feeds].map(([name, tensor]) => [name, rowsOf(tensor, from, own)]))));
      return new Map(session.outputs.map(({ name }) => [name, joined(parts.flatMap((part) => part.get(name) ?? []))]));
    },
    close: () => session.close(),
  };
}
