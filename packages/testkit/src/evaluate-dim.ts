import type { Dim } from "@tessera/core/graph/dim";

/**
 * The value of a size under the given values of its symbols: sums, differences, products, quotients and floor(...), ceil(...), min(...),
 * max(...) of them. `undefined` for "?" and for an expression with a symbol that has no value.
 */
export function evaluateDim(dim: Dim, bindings: ReadonlyMap<string, number>): number | undefined {
  if (typeof dim === "number") return dim;
  const tokens = dim.match(/[A-Za-z_]\w*|\d+(?:\.\d+)?|[-+*/(),?]/g) ?? [];
  let at = 0;
  const take = (token: string): boolean => {
    if (tokens[at] !== token) return false;
    at++;
    return true;
  };
  const unknown = new Error("unknown");
  function factor(): number {
    const token = tokens[at++];
    if (token === "(") {
      const value = sum();
      if (!take(")")) throw new Error(`Cannot evaluate ${dim}: a bracket is not closed`);
      return value;
    }
    if (token === "-") return -factor();
    if (token === undefined || token === "?") throw unknown;
    if (/^\d/.test(token)) return Number(token);
    if (take("(")) {
      const values = [sum()];
      while (take(",")) values.push(sum());
      if (!take(")")) throw new Error(`Cannot evaluate ${dim}: a bracket is not closed`);
      const [first] = values as [number];
      if (token === "floor") return Math.floor(first);
      if (token === "ceil") return Math.ceil(first);
      if (token === "min") return Math.min(...values);
      if (token === "max") return Math.max(...values);
      throw new Error(`Cannot evaluate ${dim}: ${token} is no function`);
    }
    const value = bindings.get(token);
    if (value === undefined) throw unknown;
    return value;
  }
  function product(): number {
    let value = factor();
    for (;;) {
      if (take("*")) value *= factor();
      else if (take("/")) value /= factor();
      else return value;
    }
  }
  function sum(): number {
    let value = product();
    for (;;) {
      if (take("+")) value += product();
      else if (take("-")) value -= product();
      else return value;
    }
  }
  try {
    const value = sum();
    if (at !== tokens.length) throw new Error(`Cannot evaluate ${dim}: ${tokens[at]} is left over`);
    return value;
  } catch (error) {
    if (error === unknown) return undefined;
    throw error;
  }
}
