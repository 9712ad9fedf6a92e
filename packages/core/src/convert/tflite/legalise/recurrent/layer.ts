import { attrFloat, attrFloats, attrInt, attrString } from "../../../../graph/node.ts";
import { countOf, f32, type Tensor, toInts, toNumbers } from "../../../../graph/tensor.ts";
import type { Cannot, LegaliseSite } from "../row.ts";

/** A value made of another by nodes. */
export type Wire = (value: string) => string;

/** A recurrent node, read. Time and batch come first: X is [seq, batch, in]. */
export interface Layer {
  readonly site: LegaliseSite;
  readonly gates: number;
  readonly seq: number;
  readonly batch: number;
  readonly width: number;
  readonly hidden: number;
  readonly directions: readonly Direction[];
  /** int32[batch] by name; "" when every sequence has full length. */
  readonly lengths: string;
  /** Limit of the sums before the activations; 0 for none. */
  readonly clip: number;
}

/** One direction of a layer. */
export interface Direction {
  readonly index: number;
  readonly backward: boolean;
  /** Rows gate after gate: [gates * hidden, in] and [gates * hidden, hidden]. */
  readonly input: Float64Array;
  readonly recurrent: Float64Array;
  readonly inputBias: Float64Array;
  readonly recurrentBias: Float64Array;
  /** Peepholes i, o, f of an LSTM. */
  readonly peepholes: Float64Array | undefined;
  readonly activations: readonly Wire[];
  /** First states [batch, hidden]; undefined for zeros. */
  readonly hidden0: string | undefined;
  readonly cell0: string | undefined;
}

/** What tells the recurrent operators apart. */
export interface LayerKind {
  readonly gates: number;
  readonly activations: readonly string[];
  readonly hasCell: boolean;
}

/** More steps than this are not unrolled: the file would hold tens of thousands of operators. */
export const MAX_UNROLLED_STEPS = 1024;

function isZero(t: Tensor | undefined): boolean {
  return t !== undefined && toNumbers(t).every((v) => v === 0);
}

/** Reads a node whose layout is 0. Answers why not, where it cannot be unrolled. */
export function readLayer(site: LegaliseSite, kind: LayerKind): Layer | Cannot {
  const { node } = site;
  const [w, r, b, p] = [1, 2, 3, kind.hasCell ? 7 : -1].map((i) => site.constant(site.input(i)));
  if (w === undefined || r === undefined || (site.input(3) !== "" && b === undefined))
    return site.cannot("its weights are computed in the graph", "Export the model with the weights of this layer as constants");
  if (kind.hasCell && site.input(7) !== "" && p === undefined)
    return site.cannot("its peepholes are computed in the graph", "Export the model with the weights of this layer as constants");
  const [seq, batch, width] = site.shape(site.input(0)) as [number, number, number];
  if (seq > MAX_UNROLLED_STEPS || seq < 1)
    return site.cannot(
      `it has ${seq} time steps, and TFLite runtimes run such a layer only unrolled, at most ${MAX_UNROLLED_STEPS} steps`,
      "Cut the input into shorter sequences and feed the state back from call to call",
    );
  const hidden = r.shape[2] as number;
  const word = attrString(node, "direction", "forward");
  const count = word === "bidirectional" ? 2 : 1;
  const functions = readFunctions(site, { fallback: kind.activations, directions: count });
  if (!Array.isArray(functions)) return functions as Cannot;
  const [input, recurrent, biases, peepholes] = [w, r, b, p].map((t) => t && toNumbers(t));
  const rows = kind.gates * hidden;
  const directions = Array.from({ length: count }, (_, d): Direction => {
    const part = (data: Float64Array | undefined, size: number, at: number): Float64Array =>
      data === undefined ? new Float64Array(size) : data.slice(at, at + size);
    return {
      index: d,
      backward: word === "reverse" || d === 1,
      input: part(input, rows * width, d * rows * width),
      recurrent: part(recurrent, rows * hidden, d * rows * hidden),
      inputBias: part(biases, rows, d * 2 * rows),
      recurrentBias: part(biases, rows, d * 2 * rows + rows),
      peepholes: peepholes === undefined ? undefined : part(peepholes, 3 * hidden, d * 3 * hidden),
      activations: (functions as Wire[]).slice(d * kind.activations.length, (d + 1) * kind.activations.length),
      hidden0: firstState(site, 5, { d, count, shape: [batch, hidden] }),
      cell0: kind.hasCell ? firstState(site, 6, { d, count, shape: [batch, hidden] }) : undefined,
    };
  });
  const given = site.constant(site.input(4));
  const full = given !== undefined && toInts(given).every((n) => n === seq);
  return {
    site,
    gates: kind.gates,
    seq,
    batch,
    width,
    hidden,
    directions,
    lengths: full ? "" : site.input(4),
    clip: node.attributes.has("clip") ? Math.max(0, attrFloat(node, "clip")) : 0,
  };
}

function firstState(
  site: LegaliseSite,
  index: number,
  of: { readonly d: number; readonly count: number; readonly shape: readonly number[] },
): string | undefined {
  const name = site.input(index);
  if (name === "" || isZero(site.constant(name))) return undefined;
  if (of.count === 1) return site.op("Reshape", [name, site.list("shape", of.shape)]);
  return site.op("Gather", [name, site.tensor("direction", { dtype: "int64", shape: [], bytes: scalarBytes(of.d) })], {
    axis: 0,
  });
}

function scalarBytes(value: number): Uint8Array {
  return new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
}

/** A weight of the unrolled layer, float32. */
export function weight(
  site: LegaliseSite,
  hint: string,
  of: { readonly shape: readonly number[]; readonly data: Float64Array },
): string {
  return site.tensor(hint, f32(of.shape, Float32Array.from(of.data.subarray(0, countOf(of.shape)))));
}

function readFunctions(
  site: LegaliseSite,
  of: { readonly fallback: readonly string[]; readonly directions: number },
): readonly Wire[] | Cannot {
  const given = site.node.attributes.get("activations");
  const names = given?.kind === "strings" ? given.value : Array.from({ length: of.directions }, () => of.fallback).flat();
  const alphas = [...(attrFloats(site.node, "activation_alpha") ?? [])];
  const betas = [...(attrFloats(site.node, "activation_beta") ?? [])];
  const wires: Wire[] = [];
  for (const name of names) {
    const wire = wireOf(site, name.toLowerCase(), { alphas, betas });
    if (wire === undefined)
      return site.cannot(
        `its activation ${name} has no counterpart`,
        "Use Sigmoid, Tanh, Relu, LeakyRelu, Elu, HardSigmoid, Softplus or Softsign in this layer",
      );
    wires.push(wire);
  }
  return wires;
}

/** An activation as a node; its parameters are used up from the lists as the specification says. */
function wireOf(site: LegaliseSite, name: string, of: { readonly alphas: number[]; readonly betas: number[] }): Wire | undefined {
  const float = (value: number) => ({ kind: "float", value: Math.fround(value) }) as const;
  switch (name) {
    case "sigmoid":
      return (v) => site.op("Sigmoid", [v]);
    case "tanh":
      return (v) => site.op("Tanh", [v]);
    case "relu":
      return (v) => site.op("Relu", [v]);
    case "softplus":
      return (v) => site.op("Softplus", [v]);
    case "softsign":
      return (v) => site.op("Softsign", [v]);
    case "leakyrelu": {
      const alpha = float(of.alphas.shift() ?? 0.01);
      return (v) => site.op("LeakyRelu", [v], { alpha });
    }
    case "elu": {
      const alpha = float(of.alphas.shift() ?? 1);
      return (v) => site.op("Elu", [v], { alpha });
    }
    case "hardsigmoid": {
      const [alpha, beta] = [float(of.alphas.shift() ?? 0.2), float(of.betas.shift() ?? 0.5)];
      return (v) => site.op("HardSigmoid", [v], { alpha, beta });
    }
    default:
      return undefined;
  }
}

/** Whether a GRU multiplies the state before it is reset. */
export function isLinearBeforeReset(site: LegaliseSite): boolean {
  return attrInt(site.node, "linear_before_reset", 0) !== 0;
}
