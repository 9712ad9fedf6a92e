import { describePoint, POINT_DEFAULTS, type SearchPoint, withEntry } from "./point.ts";

/** A change of a point. */
export interface Move {
  /** What it tries, a few words. */
  readonly says: string;
  readonly to: (point: SearchPoint) => SearchPoint;
}

const PERCENTILES = [99.99, 99.999] as const;

/** Range methods for all tensors, with and without equalized channels; what the search starts from is left out. */
export function startMoves(): readonly Move[] {
  const methods: readonly Pick<SearchPoint, "method" | "percentile">[] = [
    { method: "mse" },
    { method: "min-max" },
    ...PERCENTILES.map((percentile) => ({ method: "percentile", percentile }) as const),
  ];
  return [POINT_DEFAULTS.equalize, false as const]
    .flatMap((equalize) => methods.map((m): Pick<SearchPoint, "method" | "percentile" | "equalize"> => ({ ...m, equalize })))
    .filter((m) => m.method !== POINT_DEFAULTS.method || m.equalize !== POINT_DEFAULTS.equalize)
    .map((m) => ({ says: describePoint({ ...POINT_DEFAULTS, ...m }), to: (point) => ({ ...withoutRange(point), ...m }) }));
}

function withoutRange({ percentile: _, ...rest }: SearchPoint): SearchPoint {
  return rest;
}

/** Ends of a range. */
interface Ends {
  readonly min: number;
  readonly max: number;
}

function scaled(tensor: string, { min, max }: Ends, factor: number): Move {
  const percent = `${Math.abs(factor * 100 - 100).toFixed(0)} %`;
  return {
    says: `${tensor}: a range ${percent} ${factor < 1 ? "tighter" : "wider"}`,
    to: (point) => ({ ...point, ranges: withEntry(point.ranges, tensor, { min: min * factor, max: max * factor }) }),
  };
}

/** Ever tighter ranges of a tensor, relative to the one it has. */
export function shrinkMoves(tensor: string, range: Ends): readonly Move[] {
  return [0.93, 0.86, 0.78, 0.7].map((factor) => scaled(tensor, range, factor));
}

/** Ever wider ranges of a tensor, relative to the one it has. */
export function rangeMoves(tensor: string, range: Ends): readonly Move[] {
  return [1.08, 1.2].map((factor) => scaled(tensor, range, factor));
}

/** What can be done about weights and biases. */
export function weightMoves(
  point: SearchPoint,
  without: { readonly secondOrder?: boolean; readonly correctBias?: boolean },
): readonly Move[] {
  return [
    ...(point.weights === "mse"
      ? []
      : [{ says: "weight scales of least squared error", to: (p: SearchPoint) => ({ ...p, weights: "mse" as const }) }]),
    ...(without.secondOrder === true
      ? []
      : [
          {
            says: "weights rounded by what their inputs are like",
            to: (p: SearchPoint) => ({ ...p, rounding: "second-order" as const }),
          },
        ]),
    ...(without.correctBias === true
      ? []
      : [{ says: "biases corrected, layer after layer", to: (p: SearchPoint) => ({ ...p, correctBias: true }) }]),
  ];
}
