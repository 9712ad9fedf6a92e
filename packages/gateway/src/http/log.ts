import { createHmac, randomBytes } from "node:crypto";
import { type DestinationStream, type Logger, pino } from "pino";

/** How much is logged. */
export const LOG_LEVELS = ["silent", "error", "warn", "info", "debug"] as const;

/** The log of the service: JSON lines. */
export interface GatewayLog {
  readonly lines: Logger;
  /** A subject as the log names it: the same within one run, and nothing that anybody could look up. */
  subjectTag(subject: string): string;
}

/**
 * A log. Nothing secret or biometric is handed to it; should it ever be, under one of these names, it is struck out. The key of the subjects' tags
 * is of this run only.
 */
export function createLog(options: { readonly level: (typeof LOG_LEVELS)[number]; readonly to?: DestinationStream }): GatewayLog {
  const secrets = [
    "token",
    "authorization",
    "cookie",
    "nonce",
    "passphrase",
    "body",
    "bytes",
    "embedding",
    "vector",
    "score",
    "subject",
  ];
  const key = randomBytes(32);
  const lines = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]), censor: "[struck out]" },
      serializers: { err: errorLine },
    },
    options.to ?? pino.destination({ dest: 2, sync: false }),
  );
  return { lines, subjectTag: (subject) => createHmac("sha256", key).update(subject).digest("hex").slice(0, 12) };
}

/** An error by its code, message and causes; of what else hangs on it nothing. */
function errorLine(error: unknown): unknown {
  if (!(error instanceof Error)) return { message: typeof error };
  const code = "code" in error && typeof error.code === "string" ? { code: error.code } : {};
  const cause = error.cause instanceof Error ? { cause: `${error.cause.name}: ${error.cause.message}` } : {};
  return { name: error.name, message: error.message, ...code, ...cause, stack: error.stack };
}
