import { fail, type TesseraError } from "../base/error.ts";
import type { Node } from "../graph/model.ts";
import type { OpRow } from "./row.ts";

/**
 * What is wrong with the attributes of a node: a required one missing, a kind or a string that the row does not allow, or a name the
 * operator does not have. One ATTRIBUTE_INVALID each; references inside functions ("opaque") are not judged.
 */
export function attributeProblems(node: Node, row: OpRow): readonly TesseraError[] {
  const problems: TesseraError[] = [];
  const at = { node: node.name };
  for (const [name, spec] of Object.entries(row.attributes)) {
    const attribute = node.attributes.get(name);
    if (attribute === undefined) {
      if (spec.required)
        problems.push(fail("ATTRIBUTE_INVALID", `Cannot use ${node.op} without attribute ${name}: it is required`, { at }));
    } else if (attribute.kind === "opaque") {
      // Nothing to hold against the row.
    } else if (attribute.kind !== spec.kind) {
      problems.push(
        fail("ATTRIBUTE_INVALID", `Cannot read attribute ${name} of ${node.op}: expected ${spec.kind}, found ${attribute.kind}`, {
          at,
        }),
      );
    } else if (spec.oneOf !== undefined && attribute.kind === "string" && !spec.oneOf.includes(attribute.value)) {
      problems.push(
        fail(
          "ATTRIBUTE_INVALID",
          `Cannot use ${name} = "${attribute.value}" in ${node.op}: it must be one of ${spec.oneOf.join(", ")}`,
          { at },
        ),
      );
    }
  }
  for (const name of node.attributes.keys()) {
    if (!Object.hasOwn(row.attributes, name))
      problems.push(fail("ATTRIBUTE_INVALID", `Cannot use attribute ${name}: ${node.op} has none of that name`, { at }));
  }
  return problems;
}
