import type { Delegation } from "@tessera/core/protocol/report";

/** A size for people: "1.13 MB" (decimal units, as file listings of models give them). */
export function bytes(count: number): string {
  if (count < 1000) return `${count} B`;
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} kB`;
  return `${(count / 1e6).toFixed(2)} MB`;
}

/** A count for people: "989,952", "221.3 M". */
export function count(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(2)} G`;
  if (value >= 1e7) return `${(value / 1e6).toFixed(1)} M`;
  return value.toLocaleString("en-US");
}

/** A rate as percent with two digits. */
export function percent(rate: number, digits = 2): string {
  return `${(rate * 100).toFixed(digits)} %`;
}

/** Milliseconds. */
export function ms(value: number): string {
  return value >= 100 ? `${value.toFixed(0)} ms` : `${value.toPrecision(3)} ms`;
}

/** A FAR as people write it: "1e-4". */
export function far(value: number): string {
  const exponent = Math.round(Math.log10(value));
  return Math.abs(value / 10 ** exponent - 1) < 1e-9 ? `1e${exponent}` : String(value);
}

/** What a delegate takes of a file, in a sentence. */
export function delegationWords({ delegated, total, fallback, runtime }: Delegation): string {
  const left = fallback.map((f) => `${f.count} ${f.op}`).join(", ");
  return `XNNPACK takes ${delegated} of ${total} operators${left === "" ? "" : `; left to slower kernels: ${left}`} (${runtime})`;
}
