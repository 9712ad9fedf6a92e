import { attrFloat } from "../../../graph/node.ts";
import type { LegaliseRow, LegaliseSite, Verdict } from "./row.ts";

/** log(1 + e^x) without overflow: max(x, 0) + log(1 + e^-|x|). */
function softplus(site: LegaliseSite, x: string): string {
  const small = site.op("Exp", [site.op("Neg", [site.op("Abs", [x])])]);
  const log = site.op("Log", [site.op("Add", [small, site.scalar(1)])]);
  return site.op("Add", [site.op("Relu", [x]), log]);
}

/** alpha * ELU(min(x, 0)) + scale * max(x, 0); the runtime's ELU has no alpha. */
function scaledElu(site: LegaliseSite, x: string, of: { readonly alpha: number; readonly scale: number }): string {
  const below = site.op("Elu", [site.op("Min", [x, site.scalar(0)])]);
  const above = site.op("Relu", [x]);
  const scaled = of.scale === 1 ? above : site.op("Mul", [above, site.scalar(of.scale)]);
  return site.op("Add", [scaled, site.op("Mul", [below, site.scalar(of.alpha)])]);
}

/**
 * The error function by a polynomial times e^-x^2 (Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26; at most 1.5e-7 off).
 */
function erf(site: LegaliseSite, x: string): string {
  const coefficients = [1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const size = site.op("Abs", [x]);
  const t = site.op("Div", [
    site.scalar(1),
    site.op("Add", [site.op("Mul", [size, site.scalar(Math.fround(0.3275911))]), site.scalar(1)]),
  ]);
  let sum = site.scalar(Math.fround(coefficients[0] as number));
  for (const c of coefficients.slice(1)) sum = site.op("Add", [site.op("Mul", [sum, t]), site.scalar(Math.fround(c))]);
  const bell = site.op("Exp", [site.op("Neg", [site.op("Mul", [x, x])])]);
  const positive = site.op("Sub", [site.scalar(1), site.op("Mul", [site.op("Mul", [sum, t]), bell])]);
  return site.op("Mul", [site.op("Sign", [x]), positive]);
}

function row(op: string, says: string, costs: string, make: (site: LegaliseSite, x: string) => string | undefined): LegaliseRow {
  const rewrite = (site: LegaliseSite): Verdict => {
    const made = make(site, site.input(0));
    return made === undefined ? "keep" : site.finish(made);
  };
  return { name: op.toLowerCase(), ops: [op], says, costs, rewrite };
}

/** Float attributes come as float32. */
function number(site: LegaliseSite, name: string, fallback: number): number {
  return attrFloat(site.node, name, Math.fround(fallback));
}

/** Activations that TFLite does not have, or has with fixed parameters. */
export const ACTIVATION_ROWS: readonly LegaliseRow[] = [
  row("HardSigmoid", "alpha x + beta between 0 and 1", "MUL, ADD and a clamp", (site, x) => {
    const scaled = site.op("Mul", [x, site.scalar(number(site, "alpha", 0.2))]);
    const moved = site.op("Add", [scaled, site.scalar(number(site, "beta", 0.5))]);
    return site.op("Clip", [moved, site.scalar(0), site.scalar(1)]);
  }),
  row("Softplus", "max(x, 0) + log(1 + e^-|x|)", "Seven operators; 1e-7 off where e^-|x| vanishes beside 1", softplus),
  row("Mish", "x tanh(softplus(x))", "Nine operators", (site, x) => site.op("Mul", [x, site.op("Tanh", [softplus(site, x)])])),
  row("Selu", "scaled ELU of the negative part", "Six operators", (site, x) => {
    const [alpha, gamma] = [number(site, "alpha", 1.6732631921768188), number(site, "gamma", 1.0507010221481323)];
    return scaledElu(site, x, { alpha: Math.fround(alpha * gamma), scale: gamma });
  }),
  row("Elu", "scaled ELU of the negative part", "Five operators; one where alpha is 1", (site, x) => {
    const alpha = number(site, "alpha", 1);
    return alpha === 1 ? undefined : scaledElu(site, x, { alpha, scale: 1 });
  }),
  row("Celu", "alpha ELU(x / alpha)", "MUL, ELU and MUL", (site, x) => {
    const alpha = number(site, "alpha", 1);
    if (alpha === 1) return site.op("Elu", [x]);
    return site.op("Mul", [site.op("Elu", [site.op("Div", [x, site.scalar(alpha)])]), site.scalar(alpha)]);
  }),
  row("Erf", "a polynomial in 1 / (1 + p |x|) times e^-x^2", "17 operators, at most 5e-7 off", erf),
  row("Softsign", "x / (1 + |x|)", "ABS, ADD and DIV", (site, x) =>
    site.op("Div", [x, site.op("Add", [site.op("Abs", [x]), site.scalar(1)])]),
  ),
  row("ThresholdedRelu", "x where it is above alpha", "GREATER and SELECT_V2", (site, x) =>
    site.op("Where", [site.op("Greater", [x, site.scalar(number(site, "alpha", 1))]), x, site.scalar(0)]),
  ),
  row("Shrink", "x moved towards 0 by bias outside of lambd, 0 inside", "Seven operators", (site, x) => {
    const [lambd, bias] = [number(site, "lambd", 0.5), number(site, "bias", 0)];
    const below = site.op("Where", [
      site.op("Less", [x, site.scalar(-lambd)]),
      site.op("Add", [x, site.scalar(bias)]),
      site.scalar(0),
    ]);
    return site.op("Where", [site.op("Greater", [x, site.scalar(lambd)]), site.op("Sub", [x, site.scalar(bias)]), below]);
  }),
  row("Reciprocal", "1 / x", "DIV", (site, x) => site.op("Div", [site.scalar(1), x])),
  row("Tan", "sin / cos", "SIN, COS and DIV", (site, x) => site.op("Div", [site.op("Sin", [x]), site.op("Cos", [x])])),
  row("Sinh", "(e^x - e^-x) / 2", "Five operators; loses digits near 0", (site, x) =>
    site.op("Mul", [site.op("Sub", [site.op("Exp", [x]), site.op("Exp", [site.op("Neg", [x])])]), site.scalar(0.5)]),
  ),
  row("Cosh", "(e^x + e^-x) / 2", "Five operators", (site, x) =>
    site.op("Mul", [site.op("Add", [site.op("Exp", [x]), site.op("Exp", [site.op("Neg", [x])])]), site.scalar(0.5)]),
  ),
  row("IsNaN", "x differs from itself", "NOT_EQUAL", (site, x) => site.op("Not", [site.op("Equal", [x, x])])),
];
