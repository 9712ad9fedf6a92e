import { attrInt } from "../../../../graph/node.ts";
import type { LegaliseRow, LegaliseSite, Verdict } from "../row.ts";
import { type Direction, isLinearBeforeReset, type Layer, type LayerKind, readLayer, type Wire, weight } from "./layer.ts";
import { canBeSequence, sequenceLstm } from "./sequence.ts";
import { type Cell, clipped, splitLast, unroll } from "./unroll.ts";

const KINDS = {
  LSTM: { gates: 4, activations: ["Sigmoid", "Tanh", "Tanh"], hasCell: true },
  GRU: { gates: 3, activations: ["Sigmoid", "Tanh"], hasCell: false },
  RNN: { gates: 1, activations: ["Tanh"], hasCell: false },
} as const satisfies Record<string, LayerKind>;

function sumOf(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((v, i) => v + (b[i] as number));
}

// Gates i, o, f, c.
const lstmCell: Cell = (layer, direction) => {
  const { site, hidden } = layer;
  const [f, g, h] = direction.activations as [Wire, Wire, Wire];
  const clip = clipped(layer);
  const r = weight(site, "R", { shape: [4 * hidden, hidden], data: direction.recurrent });
  const coupled = attrInt(site.node, "input_forget", 0) !== 0;
  const { peepholes } = direction;
  const peep = [0, 1, 2].map((k) =>
    peepholes === undefined
      ? undefined
      : weight(site, "P", { shape: [1, hidden], data: peepholes.subarray(k * hidden, (k + 1) * hidden) }),
  );
  const peeped = (sum: string, k: number, cell: string | undefined): string =>
    peep[k] === undefined || cell === undefined ? sum : site.op("Add", [sum, site.op("Mul", [cell, peep[k] as string])]);
  return (sums, state) => {
    const all = state.hidden === undefined ? sums : site.op("Add", [sums, site.op("Gemm", [state.hidden, r], { transB: 1 })]);
    let [i, o, forget, c]: (string | undefined)[] = [];
    if (peepholes === undefined) {
      const [gates, fresh] = splitLast(site, clip(all), [3 * hidden, hidden]) as [string, string];
      [i, o, forget] = splitLast(site, f(gates), [hidden, hidden, hidden]);
      c = g(fresh);
    } else {
      const [si, so, sf, sc] = splitLast(site, all, [hidden, hidden, hidden, hidden]) as [string, string, string, string];
      i = f(clip(peeped(si, 0, state.cell)));
      forget = f(clip(peeped(sf, 2, state.cell)));
      o = so;
      c = g(clip(sc));
    }
    if (coupled) forget = site.op("Sub", [site.scalar(1, "float32"), i as string]);
    const fresh = site.op("Mul", [i as string, c as string]);
    const cell = state.cell === undefined ? fresh : site.op("Add", [site.op("Mul", [forget as string, state.cell]), fresh]);
    if (peepholes !== undefined) o = f(clip(peeped(o as string, 1, cell)));
    return { hidden: site.op("Mul", [o as string, h(cell)]), cell };
  };
};

// Gates z, r, h; the state is mixed as n + z (h - n), which is (1 - z) n + z h.
const gruCell: Cell = (layer, direction) => {
  const { site, hidden } = layer;
  const [f, g] = direction.activations as [Wire, Wire];
  const clip = clipped(layer);
  const linear = isLinearBeforeReset(site);
  const lastBias = direction.recurrentBias.subarray(2 * hidden);
  const whole = linear
    ? [
        weight(site, "R", { shape: [3 * hidden, hidden], data: direction.recurrent }),
        // Only the last gate keeps its own bias: the others' are in the product with the input.
        weight(site, "Rb", { shape: [3 * hidden], data: direction.recurrentBias.map((v, k) => (k < 2 * hidden ? 0 : v)) }),
      ]
    : [weight(site, "R", { shape: [2 * hidden, hidden], data: direction.recurrent })];
  const own = linear
    ? weight(site, "Rb", { shape: [1, hidden], data: Float64Array.from(lastBias) })
    : weight(site, "Rh", { shape: [hidden, hidden], data: direction.recurrent.slice(2 * hidden * hidden) });
  return (sums, state) => {
    const [szr, sn] = splitLast(site, sums, [2 * hidden, hidden]) as [string, string];
    const product = state.hidden === undefined ? undefined : site.op("Gemm", [state.hidden, ...whole], { transB: 1 });
    let gates = szr;
    let recurrent: string | undefined;
    if (product !== undefined && linear) {
      const [pzr, pn] = splitLast(site, product, [2 * hidden, hidden]) as [string, string];
      gates = site.op("Add", [szr, pzr]);
      recurrent = pn;
    } else if (product !== undefined) gates = site.op("Add", [szr, product]);
    const [z, r] = splitLast(site, f(clip(gates)), [hidden, hidden]) as [string, string];
    let fresh = sn;
    if (linear) fresh = site.op("Add", [sn, site.op("Mul", [r, recurrent ?? own])]);
    else if (state.hidden !== undefined)
      fresh = site.op("Add", [sn, site.op("Gemm", [site.op("Mul", [r, state.hidden]), own], { transB: 1 })]);
    const n = g(clip(fresh));
    // Without a state: n - z n.
    if (state.hidden === undefined) return { hidden: site.op("Sub", [n, site.op("Mul", [z, n])]), cell: undefined };
    const difference = site.op("Sub", [state.hidden, n]);
    return { hidden: site.op("Add", [n, site.op("Mul", [z, difference])]), cell: undefined };
  };
};

const rnnCell: Cell = (layer, direction) => {
  const { site, hidden } = layer;
  const [f] = direction.activations as [Wire];
  const clip = clipped(layer);
  const r = weight(site, "R", { shape: [hidden, hidden], data: direction.recurrent });
  return (sums, state) => {
    const all = state.hidden === undefined ? sums : site.op("Add", [sums, site.op("Gemm", [state.hidden, r], { transB: 1 })]);
    return { hidden: f(clip(all)), cell: undefined };
  };
};

function gruInputBias(layer: Layer, d: Direction): Float64Array {
  const whole = sumOf(d.inputBias, d.recurrentBias);
  // linear_before_reset multiplies the last gate's recurrent bias by r, so it is not part of this sum.
  if (isLinearBeforeReset(layer.site)) whole.set(d.inputBias.subarray(2 * layer.hidden), 2 * layer.hidden);
  return whole;
}

function unrolled(site: LegaliseSite, kind: keyof typeof KINDS): Verdict {
  const layer = readLayer(site, KINDS[kind]);
  if ("kind" in layer) return layer;
  const cell = { LSTM: lstmCell, GRU: gruCell, RNN: rnnCell }[kind];
  const inputBias = (d: Direction): Float64Array =>
    kind === "GRU" ? gruInputBias(layer, d) : sumOf(d.inputBias, d.recurrentBias);
  const made = unroll(layer, { inputBias, cell });
  const used = (index: number, value: string | undefined): string | undefined => (site.isUsed(index) ? value : undefined);
  return site.finish(used(0, made.y), used(1, made.hidden), used(2, made.cell));
}

/** layout 1, which has the batch first, is the same layer between transposes. */
function batchFirst(site: LegaliseSite): Verdict {
  const { node } = site;
  if (attrInt(node, "layout", 0) === 0) return "keep";
  const swapped = (name: string): string => (name === "" ? "" : site.op("Transpose", [name], { perm: [1, 0, 2] }));
  const inputs = node.inputs.map((name, i) => (i === 0 || i === 5 || i === 6 ? swapped(name) : name));
  const plain = Object.fromEntries([...node.attributes].filter(([name]) => name !== "layout"));
  const outputs = site.ops(node.op, inputs, { count: node.outputs.length, attributes: plain });
  const back = outputs.map((name, i) =>
    site.isUsed(i) ? site.op("Transpose", [name], { perm: i === 0 ? [2, 0, 1, 3] : [1, 0, 2] }) : undefined,
  );
  return site.finish(...back);
}

/** Recurrent layers. */
export const RECURRENT_ROWS: readonly LegaliseRow[] = [
  {
    name: "recurrent-batch-first",
    ops: ["LSTM", "GRU", "RNN"],
    says: "batch-first recurrent layer between transposes",
    costs: "A TRANSPOSE of the input and of each output that is read; none where the batch is 1",
    rewrite: batchFirst,
  },
  {
    name: "lstm",
    ops: ["LSTM"],
    says: "LSTM unrolled over its time steps",
    costs:
      "About 11 operators for each step and direction, weights stored once; the sums are made in another order (differences of 1e-6 in practice). Backward with sequence_lens: 3 more for each step",
    rewrite: (site) => {
      if (site.options.recurrent === "sequence")
        return canBeSequence(site) ? "keep" : sequenceLstm(site, () => unrolled(site, "LSTM"));
      return unrolled(site, "LSTM");
    },
  },
  {
    name: "gru",
    ops: ["GRU"],
    says: "GRU unrolled over its time steps",
    costs: "About 12 operators for each step and direction, weights stored once",
    rewrite: (site) => unrolled(site, "GRU"),
  },
  {
    name: "rnn",
    ops: ["RNN"],
    says: "RNN unrolled over its time steps",
    costs: "3 operators for each step and direction, weights stored once",
    rewrite: (site) => unrolled(site, "RNN"),
  },
];
