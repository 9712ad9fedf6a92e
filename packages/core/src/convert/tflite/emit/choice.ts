import type { BuiltinOperator } from "../../../formats/tflite/builtin-operators.ts";
import { TENSOR_TYPES } from "../../../formats/tflite/enums.ts";
import { sameOrderOnAll, sameOrderOnFirst } from "../layout/rule.ts";
import { type TensorRef, TFLITE_DTYPES } from "./builder.ts";
import { operand } from "./elementwise.ts";
import type { Emission, IntegerRule, OptionsDraft } from "./row.ts";

/** An operator of two operands that broadcast, without an integer kernel of its own unless given. */
function pair(op: BuiltinOperator, options?: OptionsDraft, integer?: IntegerRule): Emission {
  return {
    layout: sameOrderOnAll(),
    ...(integer !== undefined && { integer }),
    emit: (context) => {
      context.operator(op, {
        inputs: [operand(context, 0), operand(context, 1)],
        outputs: [context.output(0)],
        ...(options !== undefined && { options }),
      });
    },
  };
}

function typeCode(tensor: TensorRef): number {
  return TENSOR_TYPES[TFLITE_DTYPES[tensor.dtype]];
}

/** Comparisons, logic, choices, and arithmetic that is seldom. */
export const CHOICE = {
  Equal: pair("EQUAL", { kind: "EqualOptions" }),
  Greater: pair("GREATER", { kind: "GreaterOptions" }),
  GreaterOrEqual: pair("GREATER_EQUAL", { kind: "GreaterEqualOptions" }),
  Less: pair("LESS", { kind: "LessOptions" }),
  LessOrEqual: pair("LESS_EQUAL", { kind: "LessEqualOptions" }),
  And: pair("LOGICAL_AND", { kind: "LogicalAndOptions" }),
  Or: pair("LOGICAL_OR", { kind: "LogicalOrOptions" }),
  Max: pair("MAXIMUM", { kind: "MaximumMinimumOptions" }, { same: true }),
  Min: pair("MINIMUM", { kind: "MaximumMinimumOptions" }, { same: true }),
  Mod: pair("FLOOR_MOD", { kind: "FloorModOptions" }),
  Pow: pair("POW", { kind: "PowOptions" }),
  Where: {
    layout: sameOrderOnAll(),
    integer: { data: [1, 2], same: true },
    emit: (context) => {
      const inputs = [operand(context, 0), operand(context, 1), operand(context, 2)];
      context.operator("SELECT_V2", { inputs, outputs: [context.output(0)], options: { kind: "SelectV2Options" } });
    },
  },
  Cast: {
    layout: sameOrderOnFirst(),
    emit: (context) => {
      const x = context.input(0);
      const y = context.output(0);
      const options = { kind: "CastOptions", inDataType: typeCode(x), outDataType: typeCode(y) } as const;
      context.operator("CAST", { inputs: [x], outputs: [y], options });
    },
  },
} as const satisfies Record<string, Emission>;
