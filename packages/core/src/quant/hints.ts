import type { LayerFigures } from "./compare-layer.ts";
import type { Grid } from "./compare-pairs.ts";

/** A change of a quantized model that can be tried out on the spot. */
export type TrialKind = "observed-range" | "channel-grids" | "without-shift" | "float-weights" | "float-value" | "float-layer";

/** A layer as the rules look at it. */
export interface LayerFacts extends LayerFigures {
  readonly tensor: string;
  readonly op: string;
  readonly node: string;
  readonly grid?: Grid;
  /** Noise of its own over its signal's energy; absent where it adds none or that cannot be told. */
  readonly localNoise?: number;
  /** Its part in the sum of the local noise of all layers, 0..1. */
  readonly share: number;
  /** What its weights are on: one scale for all though their channels' ranges differ by this factor; absent when they have a scale for each. */
  readonly weightSpread?: number;
}

/** What the rules look at besides the layers. */
export interface ModelFacts {
  readonly layers: readonly LayerFacts[];
  /** Nodes in float between integers. */
  readonly islands: readonly { readonly node: string; readonly op: string }[];
}

/** Which change would probably help, and what speaks for it. */
export interface Hint {
  readonly rule: string;
  /** The value or node it is about; absent for the whole. */
  readonly at?: string;
  /** The values that are changed together, where it is about several. */
  readonly tensors?: readonly string[];
  /** What to do, one sentence. */
  readonly says: string;
  /** The figures that made the rule speak. */
  readonly evidence: string;
  /** What can be measured at once. */
  readonly trial?: TrialKind;
  /** For the order: part of all local noise that the rule is about, 0..1. */
  readonly weight: number;
}

interface Rule {
  readonly id: string;
  /** One line for the reader of this table. */
  readonly about: string;
  readonly find: (facts: ModelFacts) => readonly Omit<Hint, "rule">[];
}

/** Layers below this part of all local noise are not worth a word. */
const LEAST_SHARE = 0.01;

function perLayer(find: (layer: LayerFacts) => Omit<Hint, "rule" | "at" | "weight"> | undefined): Rule["find"] {
  return ({ layers }) =>
    layers.flatMap((layer) => {
      const found = layer.share < LEAST_SHARE ? undefined : find(layer);
      return found === undefined ? [] : [{ ...found, at: layer.tensor, weight: layer.share }];
    });
}

const NORMALISES: ReadonlySet<string> = new Set(["LpNormalization", "L2Normalization"]);
const FIXED: ReadonlySet<string> = new Set(["Sigmoid", "Softmax", "Tanh", "HardSigmoid"]);

/** The rules, as data: each looks at the figures and says which change they call for. */
export const HINT_RULES: readonly Rule[] = [
  {
    id: "clipped",
    about: "many values beyond the range -> a wider range",
    find: perLayer((l) => {
      const clipped = (l.clippedLow ?? 0) + (l.clippedHigh ?? 0);
      if (clipped < 1e-3 || l.op === "input") return undefined;
      return {
        says: "Give it a wider range: a higher percentile, or what was observed",
        evidence: `${percent(clipped)} of its values lie beyond what its integers can hold`,
        trial: "observed-range",
      };
    }),
  },
  {
    id: "clipped-together",
    about: "several layers clip -> wider ranges for all of them: one by one each is still cut off by the others",
    find: ({ layers }) => {
      const cut = layers.filter((l) => l.grid !== undefined && (l.clippedLow ?? 0) + (l.clippedHigh ?? 0) >= 1e-3);
      if (cut.length < 2) return [];
      return [
        {
          tensors: cut.map((l) => l.tensor),
          says: `Calibrate on data like this, or give ${cut.length} values wider ranges together`,
          evidence: `${cut.length} of ${layers.length} values clip a thousandth or more of their numbers`,
          trial: "observed-range",
          weight: cut.reduce((sum, l) => sum + l.share, 0),
        },
      ];
    },
  },
  {
    id: "unused-levels",
    about: "half of the integers never occur -> a tighter range",
    find: perLayer((l) => {
      if (l.rangeUse === undefined || l.rangeUse > 0.5 || FIXED.has(l.op) || NORMALISES.has(l.op)) return undefined;
      return {
        says: "Give it a tighter range: that of these inputs, or a percentile",
        evidence: `only ${percent(l.rangeUse)} of its integer levels occur`,
        trial: "observed-range",
      };
    }),
  },
  {
    id: "one-channel",
    about: "one channel sets the range of all -> equalise, or a grid for each channel",
    find: perLayer((l) => {
      if (l.grid === undefined || l.channelSpread < 8) return undefined;
      return {
        says: "Equalise its channels, which one scale cannot serve",
        evidence: `its largest channel reaches ${short(l.channelSpread)} times as far as the median one`,
        trial: "channel-grids",
      };
    }),
  },
  {
    id: "weights-per-tensor",
    about: "one scale for weights of very different channels -> a scale for each channel",
    find: perLayer((l) => {
      if (l.weightSpread === undefined || l.weightSpread < 8) return undefined;
      return {
        says: "Give its weights a scale for each output channel, or equalise them",
        evidence: `its weights share one scale, and their channels' ranges differ by a factor of ${short(l.weightSpread)}`,
        trial: "float-weights",
      };
    }),
  },
  {
    id: "shift",
    about: "the error is mostly a constant shift of each channel -> bias correction",
    find: perLayer((l) => {
      if (l.grid === undefined || l.shiftShare < 0.3 || l.op === "input") return undefined;
      return {
        says: "Correct the biases, and take it only if pairs of people agree: a higher cosine may come with higher scores of strangers",
        evidence: `${percent(l.shiftShare)} of its error is a constant shift of its channels`,
        trial: "without-shift",
      };
    }),
  },
  {
    id: "unit-length",
    about: "an embedding of unit length on 8 bits -> leave the raw embedding its own scale, normalise in float",
    find: perLayer((l) => {
      if (!NORMALISES.has(l.op) || l.grid === undefined || l.grid.high - l.grid.low > 255) return undefined;
      return {
        says: "Normalise in float, behind the integers: numbers of a wide unit vector are smaller than its 8-bit steps",
        evidence: `steps of ${short(l.grid.scale)} for an embedding of unit length`,
        trial: "float-value",
      };
    }),
  },
  {
    id: "fixed-scale",
    about: "a kernel's fixed grid that the values hardly use -> float there, or another output",
    find: perLayer((l) => {
      if (!FIXED.has(l.op) || l.rangeUse === undefined || l.rangeUse > 0.25) return undefined;
      return {
        says: `Keep it in float, or take what goes into the ${l.op}: its grid is fixed by the kernel`,
        evidence: `only ${percent(l.rangeUse)} of the fixed levels occur`,
        trial: "float-value",
      };
    }),
  },
  {
    id: "input-beyond",
    about: "inputs beyond the calibrated range -> suspect the pre-processing",
    find: ({ layers }) =>
      layers.flatMap((l) => {
        const beyond = (l.clippedLow ?? 0) + (l.clippedHigh ?? 0);
        if (l.op !== "input" || beyond < 0.01) return [];
        return [
          {
            at: l.tensor,
            says: "Check the pre-processing: these inputs are not what the model was calibrated on (mean, scale, colour order)",
            evidence: `${percent(beyond)} of the input lies beyond its calibrated range`,
            trial: "observed-range" as const,
            weight: Math.max(l.share, beyond),
          },
        ];
      }),
  },
  {
    id: "dominant",
    about: "one layer makes a good part of all errors -> more bits, or float, there",
    find: perLayer((l) => {
      if (l.grid === undefined || l.op === "input" || l.share < 0.1) return undefined;
      return {
        says: "Keep this layer in 16 bits or float",
        evidence: `it alone makes ${percent(l.share)} of the error that layers add`,
        trial: "float-layer",
      };
    }),
  },
  {
    id: "float-islands",
    about: "float nodes between integers cost two conversions each -> another form, or another target",
    find: ({ islands }) => {
      if (islands.length === 0) return [];
      const byOp = new Map<string, number>();
      for (const { op } of islands) byOp.set(op, (byOp.get(op) ?? 0) + 1);
      const list = [...byOp].map(([op, n]) => `${n} ${op}`).join(", ");
      return [
        {
          says: "Rewrite what has no integer kernel on the target, or keep its neighbours in float too: each island costs two conversions",
          evidence: `${islands.length} float nodes lie between integers: ${list}`,
          weight: 0,
        },
      ];
    },
  },
];

/** Which changes the figures call for, those about the most noise first, at most `limit` for each rule. */
export function findHints(facts: ModelFacts, options: { readonly limit?: number } = {}): readonly Hint[] {
  const { limit = 3 } = options;
  return HINT_RULES.flatMap((rule) =>
    rule
      .find(facts)
      .map((hint) => ({ rule: rule.id, ...hint }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, limit),
  ).sort((a, b) => b.weight - a.weight);
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(2))} %`;
}

function short(value: number): string {
  return String(Number(value.toPrecision(2)));
}
