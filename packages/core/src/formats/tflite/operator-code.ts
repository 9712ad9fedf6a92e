import type { Draft } from "../flatbuffer/table.ts";
import { BUILTIN_OPERATORS, type BuiltinOperator } from "./builtin-operators.ts";
import type { OperatorCode } from "./schema.ts";

/** The deprecated field holds an `int8`; codes it cannot hold stand there as this one. */
const MAX_DEPRECATED_CODE = BUILTIN_OPERATORS.PLACEHOLDER_FOR_GREATER_OP_CODES;

/**
 * The same operator with its code in both fields: in full in `builtinCode`, and capped at 127 in the deprecated one, which is what old
 * runtimes read. Runtimes take the larger of the two, and so does this.
 */
export function withBothCodes<T extends Draft<OperatorCode>>(code: T): T {
  const builtinCode = Math.max(code.builtinCode ?? 0, code.deprecatedBuiltinCode ?? 0);
  const deprecatedBuiltinCode = Math.min(builtinCode, MAX_DEPRECATED_CODE);
  if (code.builtinCode === builtinCode && code.deprecatedBuiltinCode === deprecatedBuiltinCode) return code;
  return Object.freeze({ ...code, builtinCode, deprecatedBuiltinCode });
}

/**
 * An entry for the list of operator codes.
 *
 * @example
 * const codes = [makeOperatorCode("CONV_2D", 3), makeOperatorCode("GELU", 1)];
 */
export function makeOperatorCode(name: BuiltinOperator, version: number): Draft<OperatorCode> {
  return withBothCodes({ builtinCode: BUILTIN_OPERATORS[name], version });
}
