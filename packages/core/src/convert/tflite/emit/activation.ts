import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { attrFloat, attrInt, attrString } from "../../../graph/node.ts";
import { quantizeTensor } from "../../../graph/quantize.ts";
import { f32, fromNumbers, type Tensor, toNumbers } from "../../../graph/tensor.ts";
import type { Order } from "../layout/order.ts";
import { type LayoutRule, type Site, sameOrderOnAll, sameOrderOnFirst } from "../layout/rule.ts";
import { activationOf } from "../prepare/fuse-activations.ts";
import type { TensorRef } from "./builder.ts";
import { operand } from "./elementwise.ts";
import { appendReshape } from "./reshape-operator.ts";
import type { Emission, EmitContext, IntegerRule, OptionsDraft } from "./row.ts";

/** One operator of one input. */
function unary(op: BuiltinOperator, spec: { readonly integer?: IntegerRule; readonly options?: OptionsDraft } = {}): Emission {
  return {
    layout: sameOrderOnFirst(),
    ...(spec.integer !== undefined && { integer: spec.integer }),
    emit: (context) => {
      context.operator(op, {
        inputs: [context.input(0)],
        outputs: [context.output(0)],
        ...(spec.options !== undefined && { options: spec.options }),
      });
    },
  };
}

const FREE: IntegerRule = { data: [0] };
const FREE_INT8: IntegerRule = { data: [0], types: ["int8"] };
const UP_TO_ONE: IntegerRule = {
  data: [0],
  output: { int8: { scale: 1 / 256, zeroPoint: -128 }, int16: { scale: 1 / 32768, zeroPoint: 0 } },
};
const AROUND_ZERO: IntegerRule = {
  data: [0],
  output: { int8: { scale: 1 / 128, zeroPoint: 0 }, int16: { scale: 1 / 32768, zeroPoint: 0 } },
};

/** A Clip with other bounds than the activations of TFLite. */
function emitBounds(context: EmitContext): void {
  const { node } = context;
  const x = context.input(0);
  const y = context.output(0);
  const steps = ([1, 2] as const).flatMap((i) => {
    const bound = node.inputs[i] ? context.constant(node.inputs[i] as string) : undefined;
    if (node.inputs[i] && bound === undefined)
      throw context.refuse("its bounds are computed", "make the bounds constants, or use Max and Min");
    const value = bound === undefined ? undefined : (toNumbers(bound)[0] as number);
    return value === undefined || !Number.isFinite(value)
      ? []
      : [{ op: i === 1 ? ("MAXIMUM" as const) : ("MINIMUM" as const), value }];
  });
  if (steps.length === 0) {
    appendReshape(context, x, y);
    return;
  }
  let from = x;
  steps.forEach(({ op, value }, i) => {
    const to = i === steps.length - 1 ? y : context.temporary(`${y.name}_bounded`, { shape: y.shape, like: y });
    context.operator(op, {
      inputs: [from, scalar(context, x, value)],
      outputs: [to],
      options: { kind: "MaximumMinimumOptions" },
    });
    from = to;
  });
}

/** A number as a constant like `x`. */
function scalar(context: EmitContext, x: TensorRef, value: number): TensorRef {
  if (x.encoding === undefined) return context.constantTensor(`${x.name}_bound`, fromNumbers(x.dtype, [], [value]));
  return context.constantTensor(`${x.name}_bound`, quantizeTensor(f32([], [value]), x.encoding), x.encoding);
}

const OWN_OPERATOR = { RELU: "RELU", RELU6: "RELU6", RELU_N1_TO_1: "RELU_N1_TO_1" } as const;

const CLIP: Emission = {
  layout: sameOrderOnFirst(),
  integer: (site) => (activationOf(site.node, site.constant) === undefined ? { data: [0], same: true } : FREE),
  emit: (context) => {
    const activation = activationOf(context.node, context.constant);
    if (activation === "RELU" || activation === "RELU6" || activation === "RELU_N1_TO_1") {
      if (context.dtype(context.node.inputs[0] as string) === "float32") {
        context.operator(OWN_OPERATOR[activation], { inputs: [context.input(0)], outputs: [context.output(0)] });
        return;
      }
    }
    emitBounds(context);
  },
};

/** The one slope of a PRelu, when it is a constant with one value throughout. */
function uniformSlope(site: Site): number | undefined {
  const slope: Tensor | undefined = site.constant(site.node.inputs[1] as string);
  if (slope === undefined) return undefined;
  const values = toNumbers(slope);
  return values.every((v) => v === values[0]) ? values[0] : undefined;
}

function emitLeaky(context: EmitContext, alpha: number): void {
  context.operator("LEAKY_RELU", {
    inputs: [context.input(0)],
    outputs: [context.output(0)],
    options: { kind: "LeakyReluOptions", alpha },
  });
}

const PRELU: Emission = {
  layout: sameOrderOnAll(),
  integer: { types: ["int8"] },
  emit: (context) => {
    // LEAKY_RELU is the faster kernel; in integers it would round the slope otherwise than the plan says.
    const alpha = context.integer ? undefined : uniformSlope(context);
    if (alpha !== undefined) emitLeaky(context, alpha);
    else context.operator("PRELU", { inputs: [context.input(0), operand(context, 1)], outputs: [context.output(0)] });
  },
};

/** The axis of an operator that TFLite runs along the last one only. */
function lastAxis(fallback: number): LayoutRule {
  const axisOf = ({ node, shape }: Site): number => {
    const rank = shape(node.inputs[0] as string).length;
    const axis = attrInt(node, "axis", fallback);
    return axis < 0 ? axis + rank : axis;
  };
  return sameOrderOnAll({
    data: [0],
    valid: (site, order) => order.at(-1) === axisOf(site),
    natural: (site): Order => {
      const axis = axisOf(site);
      const rank = site.shape(site.node.inputs[0] as string).length;
      return [...Array.from({ length: rank }, (_, i) => i).filter((i) => i !== axis), axis];
    },
  });
}

/** Runs an operator of at most four axes along the last one, whatever the rank. */
function alongLast(op: BuiltinOperator, options: OptionsDraft): (context: EmitContext) => void {
  return (context) => {
    const x = context.input(0);
    const y = context.output(0);
    if (x.shape.length <= 4) {
      context.operator(op, { inputs: [x], outputs: [y], options });
      return;
    }
    const last = x.shape.at(-1) as number;
    const flat = [x.shape.slice(0, -1).reduce((a, b) => a * b, 1), last];
    const from = context.temporary(`${x.name}_flat`, { shape: flat, like: x });
    const to = context.temporary(`${y.name}_flat`, { shape: flat, like: y });
    appendReshape(context, x, from);
    context.operator(op, { inputs: [from], outputs: [to], options });
    appendReshape(context, to, y);
  };
}

/** Functions of one value, and those along one axis. */
export const ACTIVATION = {
  Relu: CLIP,
  Clip: CLIP,
  LeakyRelu: {
    layout: sameOrderOnFirst(),
    integer: FREE,
    emit: (context) => emitLeaky(context, attrFloat(context.node, "alpha", Math.fround(0.01))),
  },
  PRelu: PRELU,
  Sigmoid: unary("LOGISTIC", { integer: UP_TO_ONE }),
  Tanh: unary("TANH", { integer: AROUND_ZERO }),
  HardSwish: unary("HARD_SWISH", { integer: FREE_INT8, options: { kind: "HardSwishOptions" } }),
  Elu: {
    layout: sameOrderOnFirst(),
    integer: FREE_INT8,
    emit: (context) => {
      const alpha = attrFloat(context.node, "alpha", 1);
      if (alpha !== 1)
        throw context.refuse(
          `ELU has no alpha other than 1 (it is ${alpha})`,
          "write it as Max(x, 0) + alpha * (Exp(Min(x, 0)) - 1)",
        );
      context.operator("ELU", { inputs: [context.input(0)], outputs: [context.output(0)] });
    },
  },
  Gelu: {
    layout: sameOrderOnFirst(),
    integer: FREE_INT8,
    emit: (context) => {
      const approximate = attrString(context.node, "approximate", "none") === "tanh";
      context.operator("GELU", {
        inputs: [context.input(0)],
        outputs: [context.output(0)],
        options: { kind: "GeluOptions", approximate },
      });
    },
  },
  Abs: unary("ABS", { integer: FREE, options: { kind: "AbsOptions" } }),
  Neg: unary("NEG", { options: { kind: "NegOptions" } }),
  // EXP and LOG of int8 came in version 2: older runtimes refuse the file.
  Exp: unary("EXP", { integer: FREE_INT8, options: { kind: "ExpOptions" } }),
  Log: unary("LOG", { integer: FREE_INT8 }),
  Sqrt: unary("SQRT"),
  Floor: unary("FLOOR"),
  Ceil: unary("CEIL"),
  Round: unary("ROUND"),
  Sin: unary("SIN"),
  Cos: unary("COS", { options: { kind: "CosOptions" } }),
  Sign: unary("SIGN", { options: { kind: "SignOptions" } }),
  Not: unary("LOGICAL_NOT", { options: { kind: "LogicalNotOptions" } }),
  Softmax: { layout: lastAxis(-1), integer: UP_TO_ONE, emit: alongLast("SOFTMAX", { kind: "SoftmaxOptions", beta: 1 }) },
  LogSoftmax: {
    layout: lastAxis(-1),
    integer: { data: [0], types: ["int8"], output: { int8: { scale: 16 / 256, zeroPoint: 127 } } },
    emit: alongLast("LOG_SOFTMAX", { kind: "LogSoftmaxOptions" }),
  },
  LpNormalization: {
    layout: lastAxis(-1),
    integer: { data: [0], types: ["int8"], output: { int8: { scale: 1 / 128, zeroPoint: 0 } } },
    emit: (context) => {
      const p = attrInt(context.node, "p", 2);
      if (p !== 2)
        throw context.refuse(`TFLite normalises by the L2 norm only (p is ${p})`, "divide by a ReduceL1 of the absolute values");
      alongLast("L2_NORMALIZATION", { kind: "L2NormOptions" })(context);
    },
  },
} as const satisfies Record<string, Emission>;
