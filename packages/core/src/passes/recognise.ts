import { isStatic } from "../graph/dim.ts";
import { attrFloat, attrInt, attrInts, float } from "../graph/node.ts";
import { f32, toNumbers } from "../graph/tensor.ts";
import type { Pass } from "./pass.ts";
import { type Computed, keepsShape, type Match, type Rule, rulePass } from "./rules.ts";
import { constantInts, dtypeOf, frontAxes, shapeOf, uniformValue } from "./values.ts";

function scalar(m: Match, name: string): number | undefined {
  return uniformValue(m.draft, m.value(name));
}

const sameShape =
  (of: string) =>
  (m: Match): true | string =>
    keepsShape(m, of, "y") ? true : "a constant may widen the shape";

/** Slopes s of PRelu as `factor` times the constant `name`; LeakyRelu when they are all the same. */
function slopes(m: Match, name: string, factor: number): Computed | string {
  const slope = m.constant(name);
  if (slope?.dtype !== "float32") return "its slope is not a float32 constant";
  const shape = shapeOf(m.draft, m.value("x"));
  if (shape === undefined || slope.shape.length > shape.length || !keepsShape(m, "x", "y"))
    return "the slope may widen the shape";
  return {
    constants: {
      slope: f32(
        slope.shape,
        Float32Array.from(toNumbers(slope), (v) => v * factor),
      ),
    },
  };
}

/** The axes of the two means of a LayerNormalization must be the same, at the end, and kept as ones. */
function layerNorm(m: Match): Computed | string {
  const shape = shapeOf(m.draft, m.value("x"));
  if (shape === undefined) return "the rank is not known";
  const means = [m.node("mean"), m.node("variance")].map((node) => {
    const axes = node.inputs[1] ? constantInts(m.draft, node.inputs[1]) : attrInts(node, "axes");
    return axes === undefined ? undefined : frontAxes(axes, shape.length).sort((a, b) => a - b);
  });
  const [first, second] = means;
  if (first === undefined || second === undefined || first.join() !== second.join())
    return "the two means are not over the same axes";
  if (first.some((axis, i) => axis !== shape.length - first.length + i)) return "the means are not over the last axes";
  const epsilon = scalar(m, "epsilon");
  if (epsilon === undefined || !(epsilon >= 0)) return "its epsilon is not one constant";
  const tail = shape.slice(shape.length - first.length);
  if (!isStatic(tail)) return "the sizes it normalises over are not known";
  const gamma = m.constant("gamma");
  if (gamma?.dtype !== "float32" || gamma.shape.join() !== tail.join())
    return "its scale is not a float32 constant of the shape that it normalises over";
  return { attributes: { y: { axis: -first.length, epsilon: float(epsilon) } } };
}

function unitLength(m: Match): Computed | string {
  const shape = shapeOf(m.draft, m.value("x"));
  const norm = m.node("norm");
  const axes = norm.inputs[1] ? constantInts(m.draft, norm.inputs[1]) : undefined;
  if (shape === undefined || axes?.length !== 1) return "the norm is not taken over one axis";
  if (attrInt(norm, "keepdims", 1) === 0) return "the norm has lost its axis";
  const floor = m.node("floored");
  const low = uniformValue(m.draft, floor.inputs[1]);
  if (floor.inputs[2] || low === undefined || low < 0 || low > 1e-10) return "the norm is kept above more than 1e-10";
  return { attributes: { y: { axis: axes[0] as number, p: 2 } } };
}

/** The one axis of two reductions that keep it; a sentence where there is none. */
function sharedAxis(m: Match, first: string, second: string): number | string {
  const shape = shapeOf(m.draft, m.value("x"));
  const axes = [first, second].map((name) => {
    const list = m.node(name).inputs[1];
    return shape === undefined || !list ? undefined : frontAxes(constantInts(m.draft, list) ?? [], shape.length);
  });
  const [a, b] = axes;
  if (a?.length !== 1 || b?.length !== 1 || a[0] !== b[0]) return "it is not taken over one axis";
  return a[0] as number;
}

/** TensorFlow keeps the sum of squares above 1e-12: of use to vectors shorter than a millionth only. */
function unitLengthOfSquares(m: Match): Computed | string {
  const axis = sharedAxis(m, "s", "s");
  if (typeof axis === "string") return axis;
  const low = scalar(m, "lo");
  if (low === undefined || low < 0 || low > 1.0001e-12) return "the sum of squares is kept above more than 1e-12";
  return { attributes: { y: { axis, p: 2 } } };
}

/** Activations. f32 literals: other element types are left as they are. */
const ACTIVATION_RULES: readonly Rule[] = [
  {
    name: "hard-sigmoid-of-six",
    says: "clip(x + 3, 0, 6) / 6 -> HardSigmoid(x)",
    match:
      "a = Add(x, three: f32[] = [3.0])\nc = Clip(a, lo: f32[] = [0.0], hi: f32[] = [6.0])\ny = Div(c, six: f32[] = [6.0])\nreturn y",
    when: sameShape("x"),
    replace: "y = HardSigmoid(x) {alpha: 0.16666667, beta: 0.5}\nreturn y",
  },
  {
    name: "hard-sigmoid-of-sixth",
    says: "clip(x + 3, 0, 6) * (1/6) -> HardSigmoid(x)",
    match:
      "a = Add(x, three: f32[] = [3.0])\nc = Clip(a, lo: f32[] = [0.0], hi: f32[] = [6.0])\ny = Mul(c, sixth: f32[] = [0.16666667])\nreturn y",
    when: sameShape("x"),
    replace: "y = HardSigmoid(x) {alpha: 0.16666667, beta: 0.5}\nreturn y",
  },
  {
    name: "hard-swish",
    says: "x * HardSigmoid(x) -> HardSwish(x)",
    match: "s = HardSigmoid(x) {alpha: 0.16666667, beta: 0.5}\ny = Mul(x, s)\nreturn y",
    replace: "y = HardSwish(x)\nreturn y",
  },
  {
    name: "hard-swish-divided-late",
    says: "x * clip(x + 3, 0, 6) / 6 -> HardSwish(x)",
    match:
      "a = Add(x, three: f32[] = [3.0])\nc = Clip(a, lo: f32[] = [0.0], hi: f32[] = [6.0])\np = Mul(x, c)\ny = Div(p, six: f32[] = [6.0])\nreturn y",
    when: sameShape("x"),
    replace: "y = HardSwish(x)\nreturn y",
  },
  {
    name: "hard-swish-scaled-late",
    says: "x * clip(x + 3, 0, 6) * (1/6) -> HardSwish(x)",
    match:
      "a = Add(x, three: f32[] = [3.0])\nc = Clip(a, lo: f32[] = [0.0], hi: f32[] = [6.0])\np = Mul(x, c)\ny = Mul(p, sixth: f32[] = [0.16666667])\nreturn y",
    when: sameShape("x"),
    replace: "y = HardSwish(x)\nreturn y",
  },
  {
    name: "mish",
    says: "x * tanh(softplus(x)) -> Mish(x)",
    match: "p = Softplus(x)\nt = Tanh(p)\ny = Mul(x, t)\nreturn y",
    replace: "y = Mish(x)\nreturn y",
  },
  {
    // log(exp(x) + 1) overflows from x = 88.8 on, where Softplus gives x: the only difference.
    name: "softplus",
    says: "log(exp(x) + 1) -> Softplus(x)",
    match: "e = Exp(x)\na = Add(e, one: f32[] = [1.0])\ny = Log(a)\nreturn y",
    when: sameShape("x"),
    replace: "y = Softplus(x)\nreturn y",
  },
  {
    name: "gelu-half-last",
    says: "x * (1 + erf(x / sqrt(2))) * 0.5 -> Gelu(x)",
    match:
      "d = Div(x, root: f32[] = [1.4142135])\ne = Erf(d)\na = Add(e, one: f32[] = [1.0])\np = Mul(x, a)\ny = Mul(p, half: f32[] = [0.5])\nreturn y",
    when: sameShape("x"),
    replace: "y = Gelu(x)\nreturn y",
  },
  {
    name: "gelu-half-first",
    says: "(0.5 * x) * (1 + erf(x / sqrt(2))) -> Gelu(x)",
    match:
      "d = Div(x, root: f32[] = [1.4142135])\ne = Erf(d)\na = Add(e, one: f32[] = [1.0])\nh = Mul(x, half: f32[] = [0.5])\ny = Mul(h, a)\nreturn y",
    when: sameShape("x"),
    replace: "y = Gelu(x)\nreturn y",
  },
  {
    name: "gelu-half-inside",
    says: "x * (0.5 * (1 + erf(x / sqrt(2)))) -> Gelu(x)",
    match:
      "d = Div(x, root: f32[] = [1.4142135])\ne = Erf(d)\na = Add(e, one: f32[] = [1.0])\nh = Mul(a, half: f32[] = [0.5])\ny = Mul(x, h)\nreturn y",
    when: sameShape("x"),
    replace: "y = Gelu(x)\nreturn y",
  },
];

/** PRelu as older exporters spell it out. */
const PRELU_RULES: readonly Rule[] = [
  {
    name: "prelu-minus-negative-part",
    says: "relu(x) - s * relu(-x) -> PRelu(x, s)",
    match: "p = Relu(x)\nn = Neg(x)\nr = Relu(n)\nm = Mul(r, s)\ny = Sub(p, m)\nreturn y",
    when: (m) => slopes(m, "s", 1),
    makes: ["slope"],
    replace: "y = PRelu(x, slope)\nreturn y",
  },
  {
    name: "prelu-plus-negative-part",
    says: "relu(x) + s * relu(-x) -> PRelu(x, -s)",
    match: "p = Relu(x)\nn = Neg(x)\nr = Relu(n)\nm = Mul(r, s)\ny = Add(p, m)\nreturn y",
    when: (m) => slopes(m, "s", -1),
    makes: ["slope"],
    replace: "y = PRelu(x, slope)\nreturn y",
  },
  {
    name: "prelu-negated-part",
    says: "relu(x) + s * -relu(-x) -> PRelu(x, s)",
    match: "p = Relu(x)\nn = Neg(x)\nr = Relu(n)\nk = Neg(r)\nm = Mul(k, s)\ny = Add(p, m)\nreturn y",
    when: (m) => slopes(m, "s", 1),
    makes: ["slope"],
    replace: "y = PRelu(x, slope)\nreturn y",
  },
  {
    name: "prelu-from-abs",
    says: "relu(x) + s * (x - |x|) -> PRelu(x, 2s)",
    match: "p = Relu(x)\na = Abs(x)\nd = Sub(x, a)\nm = Mul(d, s)\ny = Add(p, m)\nreturn y",
    when: (m) => slopes(m, "s", 2),
    makes: ["slope"],
    replace: "y = PRelu(x, slope)\nreturn y",
  },
  {
    name: "prelu-from-half-abs",
    says: "relu(x) + s * (x - |x|) * 0.5 -> PRelu(x, s)",
    match: "p = Relu(x)\na = Abs(x)\nd = Sub(x, a)\nm = Mul(d, s)\nh = Mul(m, half: f32[] = [0.5])\ny = Add(p, h)\nreturn y",
    when: (m) => slopes(m, "s", 1),
    makes: ["slope"],
    replace: "y = PRelu(x, slope)\nreturn y",
  },
  {
    name: "leaky-relu-from-max",
    says: "max(x, a * x) -> LeakyRelu(x) for 0 <= a <= 1",
    match: "m = Mul(x, a)\ny = Max(x, m)\nreturn y",
    when: (m) => {
      const slope = scalar(m, "a");
      if (slope === undefined || dtypeOf(m.draft, m.value("x")) !== "float32") return false;
      if (slope < 0 || slope > 1) return "its slope is not between 0 and 1";
      if (!keepsShape(m, "x", "y")) return "the constant may widen the shape";
      return { attributes: { y: { alpha: float(slope) } } };
    },
    replace: "y = LeakyRelu(x)\nreturn y",
  },
  {
    name: "leaky-relu-from-prelu",
    says: "PRelu with one slope for all -> LeakyRelu(x)",
    match: "y = PRelu(x, s)\nreturn y",
    when: (m) => {
      const slope = scalar(m, "s");
      const constant = m.constant("s");
      if (slope === undefined || constant === undefined || constant.dtype !== "float32") return false;
      return { attributes: { y: { alpha: float(slope) } } };
    },
    replace: "y = LeakyRelu(x)\nreturn y",
  },
];

const NORM_RULES: readonly Rule[] = [
  ...["q = Pow(d, two: f32[] = [2.0])", "q = Mul(d, d)"].map(
    (square, i): Rule => ({
      name: i === 0 ? "layer-norm" : "layer-norm-by-product",
      says: "(x - mean) / sqrt(mean of squares + epsilon), scaled -> LayerNormalization",
      match: [
        "mean = ReduceMean(x, axes) {keepdims: 1}",
        "d = Sub(x, mean)",
        square,
        "variance = ReduceMean(q, axes2) {keepdims: 1}",
        "v = Add(variance, epsilon)",
        "s = Sqrt(v)",
        "n = Div(d, s)",
        "y = Mul(n, gamma)",
        "return y",
      ].join("\n"),
      when: layerNorm,
      replace: "y = LayerNormalization(x, gamma)\nreturn y",
    }),
  ),
  {
    name: "layer-norm-shift",
    says: "LayerNormalization(x) + beta -> LayerNormalization(x, beta)",
    match: 'g = LayerNormalization(x, gamma) {axis: "*", epsilon: "*"}\ny = Add(g, beta)\nreturn y',
    when: (m) => {
      const gamma = shapeOf(m.draft, m.value("gamma"));
      const beta = m.constant("beta");
      if (beta?.dtype !== "float32" || gamma === undefined || beta.shape.join() !== gamma.join())
        return "its shift has another shape than its scale";
      const norm = m.node("g");
      return { attributes: { y: { axis: attrInt(norm, "axis", -1), epsilon: float(attrFloat(norm, "epsilon", 1e-5)) } } };
    },
    replace: "y = LayerNormalization(x, gamma, beta)\nreturn y",
  },
  {
    // Without the floor a vector of zeros gives NaN, and LpNormalization gives zeros: that form is left.
    name: "unit-length",
    says: "x / max(|x|, tiny) -> LpNormalization(x)",
    match: "norm = ReduceL2(x, axes) {keepdims: 1}\nfloored = Clip(norm, lo)\ny = Div(x, floored)\nreturn y",
    when: unitLength,
    replace: "y = LpNormalization(x)\nreturn y",
  },
  ...["r = Sqrt(f)\ny = Div(x, r)", "r = Sqrt(f)\nc = Reciprocal(r)\ny = Mul(x, c)"].map(
    (end, i): Rule => ({
      name: i === 0 ? "unit-length-of-squares" : "unit-length-by-reciprocal",
      says: "x / sqrt(max(sum of squares, tiny)) -> LpNormalization(x)",
      match: `q = Mul(x, x)\ns = ReduceSum(q, axes) {keepdims: 1}\nf = Clip(s, lo)\n${end}\nreturn y`,
      when: unitLengthOfSquares,
      replace: "y = LpNormalization(x)\nreturn y",
    }),
  ),
  {
    name: "softmax",
    says: "exp(x - max) / sum -> Softmax(x)",
    match:
      "m = ReduceMax(x, axes) {keepdims: 1}\nd = Sub(x, m)\ne = Exp(d)\ns = ReduceSum(e, axes2) {keepdims: 1}\ny = Div(e, s)\nreturn y",
    when: (m) => {
      const axis = sharedAxis(m, "m", "s");
      return typeof axis === "string" ? axis : { attributes: { y: { axis } } };
    },
    replace: "y = Softmax(x)\nreturn y",
  },
];

/** The table, in the order in which rows are tried. */
export const RECOGNISE_RULES: readonly Rule[] = [...ACTIVATION_RULES, ...PRELU_RULES, ...NORM_RULES];

/**
 * Writes one operator for what exporters spell out: HardSigmoid, HardSwish, Mish, Softplus, Gelu, PRelu, LeakyRelu, LayerNormalization, Softmax and vectors of unit
 * length. Rows of {@link RECOGNISE_RULES}. Enters subgraphs.
 */
export function recognisePass(): Pass {
  return rulePass("recognise", "Writes one operator for what exporters spell out", RECOGNISE_RULES);
}
