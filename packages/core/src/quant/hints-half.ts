import { GraphDraft } from "../graph/draft.ts";
import type { Model } from "../graph/model.ts";
import { view } from "../graph/tensor.ts";
import { HALF_MAX, halfReason } from "./half-rules.ts";
import { createHistogram, type Histogram, observe } from "./histogram.ts";
import { eachSample, exposeValues, nonFinite, type ObserveOptions, type Samples } from "./observe.ts";

/** What becomes of the numbers of one value in float16, exactly counted. */
export interface HalfCounts {
  count: number;
  /** Beyond 65,504 once rounded: infinity. */
  over: number;
  /** Not zero, and rounded to zero. */
  vanished: number;
  /** Not zero, and below the normal numbers: digits are lost. */
  weak: number;
}

/** What was seen of a float model whose values are to be float16. */
export interface HalfObservations {
  readonly samples: number;
  readonly histograms: ReadonlyMap<string, Histogram>;
  readonly counts: ReadonlyMap<string, Readonly<HalfCounts>>;
  /** Values of each sample that overflow, over all tensors. */
  readonly overBySample: readonly number[];
}

/** The least magnitude that rounds to infinity (half way to the next, were there one), the greatest that rounds to zero, the least normal one. */
const OVER = 65520;
const VANISHES = 2 ** -25;
const NORMAL = 2 ** -14;

/** The float values of a model whose types are inferred: inputs, and what nodes make. */
export function floatValues({ graph }: Model): readonly string[] {
  const isFloat = (name: string): boolean => {
    const type = graph.types.get(name) ?? [...graph.outputs, ...graph.inputs].find((v) => v.name === name)?.type;
    return type?.kind === "tensor" && type.dtype === "float32";
  };
  const fed = graph.inputs.filter((i) => !graph.constants.has(i.name)).map((i) => i.name);
  return [...fed, ...graph.nodes.flatMap((n) => n.outputs)].filter((name) => name !== "" && isFloat(name));
}

/**
 * Runs samples through a float model and counts what float16 could not hold of every value. Streams.
 *
 * @throws CALIBRATION_EMPTY without samples, CALIBRATION_NONFINITE naming a value that is not finite in float32 either
 */
export async function observeHalf(model: Model, samples: Samples, options: ObserveOptions): Promise<HalfObservations> {
  const names = floatValues(model);
  const histograms = new Map(names.map((name) => [name, createHistogram()] as const));
  const counts = new Map(names.map((name) => [name, { count: 0, over: 0, vanished: 0, weak: 0 }] as const));
  const overBySample: number[] = [];
  let place = 0;
  const seen = await eachSample(exposeValues(model, names), names, samples, {
    ...options,
    visit: (name, tensor) => {
      const values = view(tensor, "float32");
      try {
        observe(histograms.get(name) as Histogram, values);
      } catch (error) {
        throw nonFinite(name, error);
      }
      const over = countHalf(counts.get(name) as HalfCounts, values);
      // Names come in the same order for every sample.
      if (place++ % names.length === 0) overBySample.push(0);
      overBySample[overBySample.length - 1] = (overBySample[overBySample.length - 1] as number) + over;
    },
  });
  return { samples: seen, histograms, counts, overBySample };
}

function countHalf(counts: HalfCounts, values: Float32Array): number {
  let over = 0;
  let weak = 0;
  let vanished = 0;
  for (let i = 0; i < values.length; i++) {
    const m = Math.abs(values[i] as number);
    if (m >= OVER) over++;
    else if (m < NORMAL && m > 0) {
      weak++;
      if (m <= VANISHES) vanished++;
    }
  }
  counts.count += values.length;
  counts.over += over;
  counts.weak += weak;
  counts.vanished += vanished;
  return over;
}

/** A node that must stay in float32, and why. */
export interface HalfHazard {
  readonly node: string;
  readonly op: string;
  /** "range": what it reads, makes or adds up inside leaves float16; "form": there is no such operator in float16. */
  readonly kind: "range" | "form";
  readonly why: string;
  /** The value with the greatest magnitude among those it reads and makes, and that magnitude. */
  readonly value?: string;
  readonly largest?: number;
  /** Shares over the values that it makes: infinite, zero though it is not, and below the normal numbers. */
  readonly over: number;
  readonly vanished: number;
  readonly weak: number;
}

/** The nodes that float16 would break on what was seen, in running order. The rest may compute in float16: see computeHalf, which takes the histograms. */
export function halfHazards(model: Model, seen: HalfObservations): readonly HalfHazard[] {
  const draft = new GraphDraft(model.graph);
  const isFloat32 = (name: string): boolean => {
    const type = draft.type(name);
    return draft.constant(name)?.dtype === "float32" || (type?.kind === "tensor" && type.dtype === "float32");
  };
  const none = new Map<string, Histogram>();
  return model.graph.nodes.flatMap((node): readonly HalfHazard[] => {
    const why = halfReason(node, { draft, histograms: seen.histograms, isFloat32 });
    if (why === undefined || why === "no float data") return [];
    const kind =
      halfReason(node, { draft, histograms: none, isFloat32 }) === undefined || why.includes(String(HALF_MAX)) ? "range" : "form";
    const touched = [...node.inputs, ...node.outputs].flatMap((name) => {
      const h = seen.histograms.get(name);
      return h === undefined || h.count === 0 ? [] : [{ name, largest: Math.max(-h.min, h.max) }];
    });
    const [most] = touched.sort((a, b) => b.largest - a.largest);
    const made = node.outputs.flatMap((name) => seen.counts.get(name) ?? []);
    const share = (of: "over" | "vanished" | "weak"): number =>
      made.reduce((sum, c) => sum + c[of], 0) /
      Math.max(
        1,
        made.reduce((sum, c) => sum + c.count, 0),
      );
    return [
      {
        node: node.name,
        op: node.op,
        kind,
        why,
        ...(most === undefined ? {} : { value: most.name, largest: most.largest }),
        over: share("over"),
        vanished: share("vanished"),
        weak: share("weak"),
      },
    ];
  });
}
