import { type Factor, naturalOrder, orderOf, plainLayout, refine } from "./layout.ts";
import { addCopy, type Held, heldOf, integerValue, type Lowering, makeValue, usualOrder } from "./lowering.ts";
import type { DeviceLayout, DeviceValue } from "./program.ts";

/**
 * Gives an output of the network a value of its own name in which the model's axes lie in some order: the value that was made, a view of another one,
 * or a copy, where it would be an input, a constant, or lies in an order that no order of axes is.
 */
export function settleOutput(at: Lowering, name: string, inputs: readonly string[]): string {
  const { shape } = integerValue(at, name);
  const usual = usualOrder(shape.length);
  let held = heldOf(at, name);
  const order = orderOf(held.layout, usual);
  if (held.name === name && order !== undefined) return name;
  if (held.name === name) held = renamed(at, held, `${name} as it was made`);
  const isOwn = at.values.has(held.name) && !inputs.includes(held.name);
  const wanted = order ?? naturalOrder(shape.length);
  makeValue(at, name, wanted);
  if (order !== undefined && isOwn) {
    at.views.set(name, held.name);
    return name;
  }
  const layout = plainLayout(shape, wanted);
  const runs = layout.flatMap((factors: readonly Factor[], axis) => refine([factors, held.layout[axis] ?? []]) ?? []);
  addCopy(at, { node: name, input: held.name, output: name, runs });
  return name;
}

/** Gives a value another name wherever it stands. */
function renamed(at: Lowering, held: Held, name: string): Held {
  const old = held.name;
  const to = (other: string): string => (other === old ? name : other);
  at.steps.forEach((step, i) => {
    if (step.output === old || step.inputs.includes(old))
      at.steps[i] = { ...step, inputs: step.inputs.map(to), output: to(step.output) };
  });
  for (const [view, owner] of at.views) at.views.set(view, to(owner));
  for (const [value, other] of at.held) at.held.set(value, { ...other, name: to(other.name) });
  at.values.set(name, { ...(at.values.get(old) as DeviceValue), name });
  at.values.delete(old);
  return { ...held, name };
}

/** Says of inputs and outputs how the model has them. */
export function describeEnds(at: Lowering, names: readonly string[]): void {
  for (const name of names) {
    const value = at.values.get(name);
    if (value === undefined) continue;
    const { dtype, shape } = integerValue(at, name);
    const order = orderOf(heldOf(at, name).layout, usualOrder(shape.length)) ?? naturalOrder(shape.length);
    const model: DeviceLayout = { dtype, shape, order };
    at.values.set(name, { ...value, model });
  }
}
