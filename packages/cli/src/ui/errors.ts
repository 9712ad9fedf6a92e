import { fail, isTesseraError, type TesseraError } from "@tessera/core/base/error";

/** What a caught thing means to the user, as one of our errors where it can be told. */
function explained(error: unknown): TesseraError | undefined {
  if (isTesseraError(error)) return error;
  if (error instanceof Error && error.name === "AbortError") return fail("INTERRUPTED", "Cannot go on: interrupted");
  if (error instanceof Error && error.name === "CLIError") return fail("USAGE", `Cannot run this: ${error.message}`);
  return undefined;
}

/** Exit codes of the command: 1 is for a model that failed a gate and is set by verbs themselves. */
const EXIT = { badInput: 2, interrupted: 130, bug: 70 } as const;

/** Prints an error (as JSON on stdout with `json`) and gives the exit code. */
export function reportError(error: unknown, options: { readonly json: boolean }): number {
  const known = explained(error);
  if (known === undefined) {
    process.stderr.write(
      `This is a fault of tessera itself. Please report it with the command line:\n${error instanceof Error ? error.stack : String(error)}\n`,
    );
    return EXIT.bug;
  }
  if (options.json) process.stdout.write(`${JSON.stringify({ error: known.toJSON() }, null, 2)}\n`);
  const place = Object.entries(known.at)
    .map(([key, value]) => `${key} ${value}`)
    .join(", ");
  const causes: string[] = [];
  for (let cause = known.cause; cause instanceof Error && causes.length < 3; cause = cause.cause)
    causes.push(`  because: ${cause.message}\n`);
  process.stderr.write(
    `error ${known.code}: ${known.message}${place === "" ? "" : ` (${place})`}\n${causes.join("")}  next: ${known.hint}\n`,
  );
  return known.code === "INTERRUPTED" ? EXIT.interrupted : EXIT.badInput;
}
