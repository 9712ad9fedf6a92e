/** What can stop the page from doing its work. */
export type ProblemKind =
  | "offline"
  | "unauthorised"
  | "forbidden"
  | "busy"
  | "refused"
  | "camera-denied"
  | "camera-missing"
  | "camera-busy"
  | "microphone-denied"
  | "microphone-missing"
  | "microphone-busy"
  | "insecure"
  | "file-unreadable"
  | "timed-out";

/** Something that went wrong, ready to be told. */
export interface Problem {
  readonly kind: ProblemKind;
  /** The gateway's own words, where it gave some. */
  readonly detail?: string;
  /** Seconds to wait before another try helps. */
  readonly retryAfterSeconds?: number;
}

/** A {@link Problem} on its way up. */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.detail === undefined ? problem.kind : `${problem.kind}: ${problem.detail}`, options);
    this.name = "ProblemError";
    this.problem = problem;
  }
}

/** Names of DOMExceptions of `getUserMedia` (W3C Media Capture and Streams, 10.2) by what the person can do about them. */
const MEDIA_FAILURES: Readonly<Record<string, "denied" | "missing" | "busy">> = {
  NotAllowedError: "denied",
  SecurityError: "denied",
  NotFoundError: "missing",
  OverconstrainedError: "missing",
  NotReadableError: "busy",
  AbortError: "busy",
};

/** The problem behind a failed `getUserMedia`; an unknown failure is told as a device in use, for which trying again is the right advice. */
export function mediaProblem(device: "camera" | "microphone", cause: unknown): Problem {
  const name = cause instanceof Error ? cause.name : "";
  return { kind: `${device}-${MEDIA_FAILURES[name] ?? "busy"}` };
}

/** The problem behind an answer of the gateway that is no success. `body` is the parsed JSON, or undefined; `retryAfter` the header of that name. */
export function answerProblem(status: number, body: unknown, retryAfter?: string | null): Problem {
  const detail = detailOf(body);
  const seconds = Number.parseInt(retryAfter ?? "", 10);
  return {
    kind: kindOf(status),
    ...(detail === undefined ? {} : { detail }),
    ...(Number.isFinite(seconds) && seconds >= 0 ? { retryAfterSeconds: seconds } : {}),
  };
}

function kindOf(status: number): ProblemKind {
  if (status === 401) return "unauthorised";
  if (status === 403) return "forbidden";
  if (status === 429 || status === 503) return "busy";
  if (status === 502 || status === 504) return "offline";
  return "refused";
}

/** The words of an `ApiError`, shortened: a gateway gone wrong must not fill the page. */
function detailOf(body: unknown): string | undefined {
  if (typeof body !== "object" || body === null || !("error" in body)) return undefined;
  const { error } = body;
  if (typeof error !== "object" || error === null || !("says" in error) || typeof error.says !== "string") return undefined;
  return error.says.slice(0, 300);
}

/** The problem that an error of any kind stands for: what is not a {@link ProblemError} came from `fetch`, which fails only without a connection. */
export function problemOf(error: unknown): Problem {
  return error instanceof ProblemError ? error.problem : { kind: "offline" };
}
