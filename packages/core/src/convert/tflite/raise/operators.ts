import { fail } from "../../../base/error.ts";
import { type BuiltinOperator, builtinOperatorName } from "../../../formats/tflite/builtin-operators.ts";
import type { Operator, SubGraph, TfliteModel } from "../../../formats/tflite/schema.ts";
import type { GivenWindow } from "./fold-dilation.ts";
import { RAISE_ROWS } from "./table.ts";

/** An operator of the file with its name. */
export interface NamedOperator {
  readonly index: number;
  readonly name: BuiltinOperator;
  readonly record: Operator;
  /** Of a convolution that stands for a whole group of operators. */
  readonly window?: GivenWindow;
}

/** What helps with operators that have no row. */
const HELP: Readonly<Partial<Record<BuiltinOperator, string>>> = {
  CUSTOM: "Cut the model before its custom operators (they are usually the last ones) and do their work outside",
  DELEGATE: "Take the file from before it was compiled for a device",
  IF: "Convert the model again with the branch chosen",
  WHILE: "Convert the model again with loops unrolled",
  CALL_ONCE: "Convert the model again from a frozen graph, without variables",
  VAR_HANDLE: "Convert the model again from a frozen graph, without variables",
  READ_VARIABLE: "Convert the model again from a frozen graph, without variables",
  ASSIGN_VARIABLE: "Convert the model again from a frozen graph, without variables",
  SVDF: "Take the model from before it was converted: SVDF keeps state between calls",
  NON_MAX_SUPPRESSION_V4: "Cut the model before it and choose boxes outside",
  NON_MAX_SUPPRESSION_V5: "Cut the model before it and choose boxes outside",
  FAKE_QUANT: "Convert the model again: the converter takes FAKE_QUANT away",
};

/** How many places of one operator a message names. */
const NAMED = 5;

/**
 * The operators of a subgraph by name.
 *
 * @throws UNSUPPORTED_OP once for all operators that have no row; GRAPH_INVALID for a code that is not in the list
 */
export function namedOperators(model: TfliteModel, graph: SubGraph): readonly NamedOperator[] {
  const codes = model.operatorCodes ?? [];
  const unknown = new Map<string, { readonly name: BuiltinOperator | undefined; readonly places: number[] }>();
  const operators: NamedOperator[] = [];
  for (const [index, record] of (graph.operators ?? []).entries()) {
    const code = codes[record.opcodeIndex];
    if (code === undefined)
      throw fail("GRAPH_INVALID", `Cannot raise operator ${index}: there is no operator code ${record.opcodeIndex}`);
    const name = builtinOperatorName(code.builtinCode);
    if (name !== undefined && RAISE_ROWS[name] !== undefined) {
      operators.push({ index, name, record });
      continue;
    }
    const called = name === "CUSTOM" ? `custom operator ${code.customCode ?? ""}` : (name ?? `operator code ${code.builtinCode}`);
    const entry = unknown.get(called) ?? { name, places: [] };
    entry.places.push(index);
    unknown.set(called, entry);
  }
  if (unknown.size === 0) return operators;
  const list = [...unknown].map(
    ([called, { places }]) => `${called} (at ${places.slice(0, NAMED).join(", ")}${places.length > NAMED ? ", ..." : ""})`,
  );
  const [first] = unknown.values();
  const hint = first?.name === undefined ? undefined : HELP[first.name];
  throw fail(
    "UNSUPPORTED_OP",
    `Cannot raise the model: there is no canonical form of ${list.join(", ")}`,
    hint === undefined ? {} : { hint },
  );
}
