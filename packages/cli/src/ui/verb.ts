import { fail } from "@tessera/core/base/error";
import { type ArgsDef, type CommandContext, type CommandDef, defineCommand } from "citty";

/** Options that every verb has. */
const COMMON = {
  json: { type: "boolean", description: "Print the report as JSON on stdout", default: false },
  quiet: { type: "boolean", description: "No progress on stderr", default: false },
} as const satisfies ArgsDef;

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}

/** Refuses flags that the verb does not define: a mistyped budget must not be ignored. @throws USAGE naming the nearest flag */
export function checkFlags(rawArgs: readonly string[], args: ArgsDef): void {
  const known = new Map<string, string | undefined>();
  for (const [name, def] of Object.entries(args)) {
    if (def.type === "positional") continue;
    for (const form of new Set([name, kebab(name)])) {
      known.set(form, def.type);
      if (def.type === "boolean") known.set(`no-${form}`, "boolean");
    }
    const alias = (def as { alias?: string | string[] }).alias ?? [];
    for (const short of typeof alias === "string" ? [alias] : alias) known.set(short, def.type);
  }
  for (let i = 0; i < rawArgs.length; i++) {
    const arg = rawArgs[i] as string;
    if (arg === "--") return;
    const match = /^--?([^=]+)(=.*)?$/s.exec(arg);
    if (match === null || /^-\d/.test(arg)) continue;
    const name = match[1] as string;
    if (name === "help" || name === "h") continue;
    if (!known.has(name)) {
      const near = [...known.keys()].filter((k) => k.length > 1 && (k.startsWith(name.slice(0, 3)) || name.includes(k)))[0];
      throw fail(
        "USAGE",
        `Cannot use --${name}: there is no such option${near === undefined ? "" : `; did you mean --${near}?`}`,
      );
    }
    if (known.get(name) === "boolean") continue;
    if (match[2] === undefined) {
      const value = rawArgs[i + 1];
      if (value === undefined || (value.startsWith("--") && value.length > 2))
        throw fail("USAGE", `Cannot use --${name}: it needs a value`);
      i++;
    }
  }
}

/** Refuses more words than the verb takes: a second model must not be ignored. @throws USAGE */
function checkPositionals(words: readonly string[], args: ArgsDef, rest: boolean): void {
  const taken = Object.values(args).filter((def) => def.type === "positional").length;
  const extra = words.slice(taken);
  if (!rest && extra.length > 0) throw fail("USAGE", `Cannot use "${extra[0]}": the verb takes no further word there`);
}

/** How long work may take to stop after Ctrl-C before the process ends without it, milliseconds. */
const STOP_GRACE_MS = 5000;

/** Exit code of an interrupted command, as shells have it for SIGINT. */
const INTERRUPTED_EXIT = 130;

/** What a verb's body gets besides its arguments. */
export interface VerbTools {
  /** Words after those that have names; none unless the verb says `rest`. */
  readonly rest: readonly string[];
  readonly json: boolean;
  readonly quiet: boolean;
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal;
}

/** Defines a verb of the command: strict flags, `--json`, `--quiet`, Ctrl-C. The body returns the exit code (0 unless it says otherwise). */
export function verb<const T extends ArgsDef>(
  meta: { readonly name: string; readonly description: string; readonly rest?: boolean },
  args: T,
  body: (args: CommandContext<T & typeof COMMON>["args"], tools: VerbTools) => Promise<number | undefined>,
): CommandDef {
  const all = { ...args, ...COMMON };
  return defineCommand({
    meta,
    args: all,
    async run({ args: parsed, rawArgs }) {
      checkFlags(rawArgs, all);
      checkPositionals(parsed._, args, meta.rest === true);
      const controller = new AbortController();
      const stop = (): void => {
        controller.abort();
        setTimeout(() => process.exit(INTERRUPTED_EXIT), STOP_GRACE_MS).unref();
      };
      // Once: a second Ctrl-C finds no handler and ends the process at once. Files are renamed into place whole, so neither leaves half of one.
      process.once("SIGINT", stop);
      try {
        const rest = parsed._.slice(Object.values(args).filter((def) => def.type === "positional").length);
        const tools = { json: parsed.json === true, quiet: parsed.quiet === true, rest, signal: controller.signal };
        process.exitCode = (await body(parsed as never, tools)) ?? 0;
      } catch (error) {
        if (controller.signal.aborted) throw fail("INTERRUPTED", "Cannot go on: interrupted", { cause: error });
        throw error;
      } finally {
        process.off("SIGINT", stop);
      }
    },
  }) as unknown as CommandDef;
}

/** A number option. @throws USAGE when it is not one or leaves [min, max] */
export function numberOption(
  name: string,
  value: string | undefined,
  limits: { readonly min?: number; readonly max?: number } = {},
): number | undefined {
  if (value === undefined) return undefined;
  const share = value.endsWith("%");
  const digits = share ? value.slice(0, -1) : value;
  const number = share ? Number(digits) / 100 : Number(digits);
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = limits;
  if (digits.trim() === "" || !Number.isFinite(number) || number < min || number > max) {
    throw fail("USAGE", `Cannot use --${name} ${value}: it must be a number${rangeWords(min, max)}`);
  }
  return number;
}

/** A range in words, without the ends that are none. */
function rangeWords(min: number, max: number): string {
  const low = min === Number.NEGATIVE_INFINITY ? "" : min === Number.MIN_VALUE ? " above 0" : ` from ${min}`;
  const high = max === Number.POSITIVE_INFINITY ? "" : low === "" ? ` up to ${max}` : ` to ${max}`;
  return `${low}${high}${low !== "" && low !== " above 0" && high === "" ? " on" : ""}`;
}

/** A comma-separated list of numbers. @throws USAGE */
export function numberList(
  name: string,
  value: string,
  limits: { readonly min?: number; readonly max?: number } = {},
): readonly number[] {
  return value.split(",").map((v) => numberOption(name, v, limits) as number);
}

/** One of a few words. @throws USAGE with the list */
export function choiceOption<const T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  if (found === undefined) throw fail("USAGE", `Cannot use --${name} ${value}: it must be one of ${allowed.join(", ")}`);
  return found;
}
