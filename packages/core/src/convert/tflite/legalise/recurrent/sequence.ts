import { attrFloat, attrInt, attrString } from "../../../../graph/node.ts";
import { f32, toInts, toNumbers } from "../../../../graph/tensor.ts";
import type { LegaliseSite, Verdict } from "../row.ts";
import { maskOf, pickLast, type Span } from "./unroll.ts";

/** Whether an LSTM node is what UNIDIRECTIONAL_SEQUENCE_LSTM says: forward, from zero states, all steps out and nothing else. */
export function canBeSequence(site: LegaliseSite): boolean {
  const { node } = site;
  const plain = attrString(node, "direction", "forward") === "forward" && attrInt(node, "layout", 0) === 0;
  const free = [4, 5, 6].every((i) => site.input(i) === "");
  return plain && free && isPlainCell(site) && !site.isUsed(1) && !site.isUsed(2);
}

/** Default activations, no coupled gates, no limit (which the operator puts elsewhere), constant weights. */
function isPlainCell(site: LegaliseSite): boolean {
  const { node } = site;
  const given = node.attributes.get("activations");
  const names = given?.kind === "strings" ? given.value : [];
  const wanted = ["sigmoid", "tanh", "tanh"];
  const constant = [1, 2, 3, 7].every((i) => site.input(i) === "" || site.constant(site.input(i)) !== undefined);
  const clips = node.attributes.has("clip") && attrFloat(node, "clip") > 0;
  return (
    constant && !clips && attrInt(node, "input_forget", 0) === 0 && names.every((name, i) => name.toLowerCase() === wanted[i % 3])
  );
}

/**
 * Brings an LSTM into the form of {@link canBeSequence}: one node for each direction, sequences turned around for the backward one, Y masked and the last
 * state picked out of it. `otherwise` is asked where the cells themselves are read, first states are given or the cell is not the plain one.
 */
export function sequenceLstm(site: LegaliseSite, otherwise: () => Verdict): Verdict {
  const { node } = site;
  const startsAtZero = [5, 6].every((i) => {
    const name = site.input(i);
    const value = site.constant(name);
    return name === "" || (value !== undefined && toNumbers(value).every((v) => v === 0));
  });
  if (!startsAtZero || site.isUsed(2) || !isPlainCell(site)) return otherwise();
  const [seq, batch] = site.shape(site.input(0)) as [number, number, number];
  const hidden = site.shape(site.input(2))[2] as number;
  const given = site.constant(site.input(4));
  const lengths = given !== undefined && toInts(given).every((n) => n === seq) ? "" : site.input(4);
  const span: Span = { site, seq, batch, hidden, lengths };
  const word = attrString(node, "direction", "forward");
  const directions = word === "bidirectional" ? [false, true] : [word === "reverse"];
  const parts = directions.map((backward, d) => oneDirection(span, { d, of: directions.length, backward }));
  const joined = (names: readonly string[], axis: number): string =>
    names.length === 1 ? (names[0] as string) : site.op("Concat", names, { axis });
  return site.finish(
    site.isUsed(0)
      ? joined(
          parts.map((p) => p.y),
          1,
        )
      : undefined,
    site.isUsed(1)
      ? joined(
          parts.map((p) => p.last),
          0,
        )
      : undefined,
  );
}

function oneDirection(
  span: Span,
  at: { readonly d: number; readonly of: number; readonly backward: boolean },
): { readonly y: string; readonly last: string } {
  const { site, seq, batch, hidden, lengths } = span;
  const own = (index: number, hint: string): string => {
    const value = site.constant(site.input(index));
    if (value === undefined) return "";
    if (at.of === 1) return site.input(index);
    const all = toNumbers(value);
    const size = all.length / at.of;
    return site.tensor(hint, f32([1, ...value.shape.slice(1)], Float32Array.from(all.subarray(at.d * size, (at.d + 1) * size))));
  };
  const turned = (name: string): string => (at.backward ? turnAround(span, name) : name);
  const inputs = [turned(site.input(0)), own(1, "W"), own(2, "R"), own(3, "B"), "", "", "", own(7, "P")];
  while (inputs.at(-1) === "") inputs.pop();
  const [y] = site.ops("LSTM", inputs, { count: 1, attributes: { hidden_size: hidden } }) as [string];
  const flat = site.op("Reshape", [y, site.list("shape", [seq * batch, hidden])]);
  const state = (name: string): string => site.op("Reshape", [name, site.list("shape", [1, batch, hidden])]);
  const last =
    lengths === ""
      ? state(
          site.op("Slice", [
            flat,
            site.list("start", [(seq - 1) * batch]),
            site.list("end", [seq * batch]),
            site.list("axis", [0]),
          ]),
        )
      : state(pickLast(span)(flat, undefined));
  const masked = lengths === "" ? flat : site.op("Mul", [flat, maskOf(span, "Greater", lengths)]);
  const all = turned(site.op("Reshape", [masked, site.list("shape", [seq, batch, hidden])]));
  return { y: site.op("Reshape", [all, site.list("shape", [seq, 1, batch, hidden])]), last };
}

/** The steps of each sequence in backward order, [seq, batch, n]; what lies past its end stays where it is. */
function turnAround(span: Span, name: string): string {
  const { site, seq, lengths } = span;
  if (lengths !== "") {
    const wide = site.op("Cast", [lengths], { to: 7 });
    return site.op("ReverseSequence", [name, wide], { time_axis: 0, batch_axis: 1 });
  }
  const ends = [site.list("start", [seq - 1]), site.list("end", [-seq - 1]), site.list("axis", [0]), site.list("step", [-1])];
  return site.op("Slice", [name, ...ends]);
}
