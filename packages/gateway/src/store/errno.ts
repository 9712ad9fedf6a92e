/** The system's name of an error, such as "ENOENT". */
export function errno(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined;
}
