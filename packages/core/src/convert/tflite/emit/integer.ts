import { fail } from "../../../base/error.ts";
import { isFloat } from "../../../graph/dtype.ts";
import type { Encoding } from "../../../graph/plan.ts";
import type { Site } from "../layout/rule.ts";
import { floatInputs } from "./context.ts";
import type { Emission } from "./row.ts";

/**
 * Whether a node computes in integers, and why not.
 *
 * @throws TARGET_RULE when it would, but the plan's encodings are not those its kernel needs
 */
export function integerDecision(
  site: Site,
  emission: Emission,
  encoding: (name: string) => Encoding | undefined,
): { readonly integer: boolean; readonly why: string } {
  const { node } = site;
  const rule = typeof emission.integer === "function" ? emission.integer(site) : emission.integer;
  if (rule === undefined) return { integer: false, why: `TFLite has no integer kernel for ${node.op} here` };
  const inputs = (rule.data ?? floatInputs(site)).map((i) => node.inputs[i] ?? "").filter((name) => name !== "");
  const outputs = node.outputs.filter((name) => name !== "" && isFloat(site.dtype(name)));
  const all = [...inputs, ...outputs];
  const bare = all.find((name) => encoding(name) === undefined);
  if (bare !== undefined || outputs.length === 0 || inputs.length === 0)
    return { integer: false, why: bare === undefined ? "it makes no real numbers" : `the plan has no encoding for ${bare}` };
  const of = (name: string): Encoding => encoding(name) as Encoding;
  const types = rule.types ?? ["int8", "int16"];
  const [first] = inputs as [string];
  const activations = [...outputs, first];
  const odd = activations.find((name) => !types.includes(of(name).dtype) && of(name).dtype !== "uint8");
  if (odd !== undefined) return { integer: false, why: `TFLite has no ${of(odd).dtype} kernel for ${node.op}` };
  if (rule.same) {
    const other = all.find((name) => !sameEncoding(of(name), of(first)));
    if (other !== undefined) throw contradiction(site, `${first} and ${other} must have the same scale and zero point`);
  }
  for (const name of outputs) {
    const dtype = of(name).dtype;
    const grid = dtype === "int8" || dtype === "int16" ? rule.output?.[dtype] : undefined;
    if (grid === undefined) continue;
    const { scale, zeroPoint } = of(name);
    if (scale[0] !== Math.fround(grid.scale) || zeroPoint[0] !== grid.zeroPoint)
      throw contradiction(site, `${name} must have scale ${grid.scale} and zero point ${grid.zeroPoint}`);
  }
  return { integer: true, why: "" };
}

/** Whether two encodings stand for the same numbers. */
export function sameEncoding(a: Encoding | undefined, b: Encoding | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.dtype === b.dtype &&
    a.axis === b.axis &&
    a.scale.length === b.scale.length &&
    a.scale.every((s, i) => s === b.scale[i]) &&
    a.zeroPoint.every((z, i) => z === b.zeroPoint[i])
  );
}

function contradiction({ node }: Site, what: string): Error {
  return fail("TARGET_RULE", `Cannot lower ${node.op} in integers: ${what}`, {
    at: { node: node.name },
    hint: "Make the plan for a TFLite target, or give both tensors one encoding",
  });
}
