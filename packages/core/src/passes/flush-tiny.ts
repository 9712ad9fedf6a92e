import type { GraphDraft } from "../graph/draft.ts";
import { f32, type Tensor, view } from "../graph/tensor.ts";
import { graphPass, type Pass } from "./pass.ts";
import { isOneOf } from "./values.ts";

/** Options of {@link flushTinyPass}. */
export interface FlushTinyOptions {
  /** Weights of smaller magnitude become zero. */
  readonly below?: number;
  /** A tensor is only touched when its largest weight is at least this many times `below`. */
  readonly minContrast?: number;
}

/**
 * Defaults of {@link FlushTinyOptions}. Zeroing true subnormals only (below 1.18e-38) is not enough: products of tiny weights become subnormal, and
 * processors are slow with those. Below 1e-10 every embedding of a MobileFaceNet that ran 6-8 times too slow stayed bit-identical.
 */
export const FLUSH_TINY_DEFAULTS = { below: 1e-10, minContrast: 1e5 } as const;

/** Layers that sum products of their weights: input indices of the weights. A tiny constant elsewhere (an epsilon) means something. */
const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
  LSTM: [1, 2, 3],
  GRU: [1, 2, 3],
  RNN: [1, 2, 3],
};

/**
 * Sets weights that are too small to matter to zero, because arithmetic that falls into subnormal numbers is many times slower. Tells how many
 * and in which tensor. Only float32 weights of layers that sum products, and only beside much larger ones in the same tensor. Enters subgraphs.
 */
export function flushTinyPass(options: FlushTinyOptions = {}): Pass {
  const { below, minContrast } = { ...FLUSH_TINY_DEFAULTS, ...options };
  return graphPass("flush-tiny", "Sets weights that only slow the arithmetic down to zero", (draft, log) => {
    for (const node of draft.nodes()) {
      const places = isOneOf(node, Object.keys(WEIGHTS)) ? (WEIGHTS[node.op] ?? []) : [];
      for (const place of places) {
        const name = draft.current(node)?.inputs[place];
        const weight = name ? draft.constant(name) : undefined;
        if (name === undefined || weight?.dtype !== "float32") continue;
        const values = view(weight, "float32");
        const { count, largest } = spreadOf(weight, below);
        if (count === 0) continue;
        const rule = `tiny-weights:${name}`;
        if (largest < below * minContrast) {
          log.declined(rule, node, `all weights of ${name} are small: the largest is ${largest.toExponential(1)}`);
          continue;
        }
        if (!ownsReaders(draft, name)) {
          log.declined(rule, node, `${name} is read by something else than the weights of a layer`);
          continue;
        }
        if (!log.may(rule, node)) continue;
        const flushed = Float32Array.from(values);
        for (let i = 0; i < flushed.length; i++) if (Math.abs(flushed[i] as number) < below) flushed[i] = 0;
        draft.setConstant(name, f32(weight.shape, flushed));
        log.changed(rule, node, `${count} of ${values.length} weights of ${name} below ${below} set to zero`);
      }
    }
  });
}

interface Spread {
  readonly below: number;
  readonly count: number;
  readonly largest: number;
}

const spreads = new WeakMap<Tensor, Spread>();

/** How many weights are tiny, and the largest magnitude; remembered, because the passes go round several times over the same tensors. */
function spreadOf(weight: Tensor, below: number): Spread {
  const known = spreads.get(weight);
  if (known?.below === below) return known;
  const values = view(weight, "float32");
  let count = 0;
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] as number);
    if (magnitude !== 0 && magnitude < below) count++;
    if (magnitude > largest) largest = magnitude;
  }
  const spread = { below, count, largest };
  spreads.set(weight, spread);
  return spread;
}

/** Whether a constant belongs to this graph and is read as a layer's weights only. */
function ownsReaders(draft: GraphDraft, name: string): boolean {
  if (draft.isOutput(name) || !draft.hasConstant(name)) return false;
  return draft
    .consumers(name)
    .every((c) => isOneOf(c, Object.keys(WEIGHTS)) && c.inputs.every((input, i) => input !== name || WEIGHTS[c.op]?.includes(i)));
}
