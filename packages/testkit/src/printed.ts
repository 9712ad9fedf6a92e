import { vi } from "vitest";

/** What some work printed. */
export interface Printed {
  readonly out: string;
  readonly err: string;
}

/** Does some work in this process and keeps back what it writes to stdout and stderr. */
export async function printedBy(work: () => Promise<unknown>): Promise<Printed> {
  const out: string[] = [];
  const err: string[] = [];
  const catching = (into: string[]) => (chunk: string | Uint8Array) => into.push(String(chunk)) > 0;
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(catching(out)),
    vi.spyOn(process.stderr, "write").mockImplementation(catching(err)),
  ];
  try {
    await work();
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
  return { out: out.join(""), err: err.join("") };
}
