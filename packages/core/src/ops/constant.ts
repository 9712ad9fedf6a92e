import type { Attribute, Node } from "../graph/model.ts";
import { attrTensor } from "../graph/node.ts";
import { f32, i64, stringTensor, type Tensor } from "../graph/tensor.ts";

function tensorOf(attribute: Attribute): Tensor | undefined {
  switch (attribute.kind) {
    case "tensor":
      return attribute.value;
    case "int":
      return i64([], [attribute.value]);
    case "ints":
      return i64([attribute.value.length], attribute.value);
    case "float":
      return f32([], [attribute.value]);
    case "floats":
      return f32([attribute.value.length], attribute.value);
    case "string":
      return stringTensor([], [attribute.value]);
    case "strings":
      return stringTensor([attribute.value.length], attribute.value);
    default:
      return undefined;
  }
}

const CONSTANT_FORMS = [
  "value",
  "value_float",
  "value_floats",
  "value_int",
  "value_ints",
  "value_string",
  "value_strings",
] as const;

/** The tensor a Constant node stands for; `undefined` for a sparse or missing value. */
export function constantValue(node: Node): Tensor | undefined {
  for (const form of CONSTANT_FORMS) {
    const attribute = node.attributes.get(form);
    if (attribute !== undefined) return tensorOf(attribute);
  }
  return undefined;
}

/** The element and type with which ConstantOfShape fills: float32 0 unless `value` says otherwise. */
export function fillValue(node: Node): Tensor {
  return attrTensor(node, "value") ?? f32([1], [0]);
}
