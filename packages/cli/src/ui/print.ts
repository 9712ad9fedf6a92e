/** Prints a report on stdout: the very object, as JSON. What JSON has no word for (NaN, infinities) becomes null. */
export function printJson(report: unknown): void {
  process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
}

/** Prints lines on stdout; `undefined` ones are left out. */
export function printLines(...lines: readonly (string | undefined)[]): void {
  const said = lines.filter((line) => line !== undefined);
  if (said.length > 0) process.stdout.write(`${said.join("\n")}\n`);
}
