/** Where long work says how far it is: a line that is rewritten on a terminal, a line now and then elsewhere. Always on stderr. */
export interface Progress {
  /** Starts a stage; the one before it is finished. `total` 0 means that the end is not known. */
  stage(says: string, total?: number): void;
  /** So many of the stage's units are done. */
  at(done: number): void;
  /** A line that stays. */
  note(says: string): void;
  end(): void;
}

/** Milliseconds between two lines where stderr is not a terminal. */
const PLAIN_EVERY_MS = 5000;
const TERMINAL_EVERY_MS = 80;

/** A progress display. `quiet` gives one that says nothing. */
export function createProgress(options: { readonly quiet: boolean }): Progress {
  if (options.quiet) return { stage: () => {}, at: () => {}, note: () => {}, end: () => {} };
  const terminal = process.stderr.isTTY === true;
  let says = "";
  let total = 0;
  let startedMs = 0;
  let shownMs = 0;
  const clear = (): void => {
    if (terminal) process.stderr.write("\r\x1b[2K");
  };
  const show = (done: number, nowMs: number): void => {
    const share = total > 0 ? ` ${done}/${total}` : "";
    const left =
      total > 0 && done > 0 && nowMs - startedMs > 3000
        ? `, ${Math.ceil(((nowMs - startedMs) / done) * (total - done) * 1e-3)} s left`
        : "";
    clear();
    process.stderr.write(`${says}${share}${left}${terminal ? "" : "\n"}`);
    shownMs = nowMs;
  };
  return {
    stage(next, units = 0) {
      says = next;
      total = units;
      startedMs = Date.now();
      show(0, startedMs);
    },
    at(done) {
      const nowMs = Date.now();
      if (nowMs - shownMs >= (terminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS)) show(done, nowMs);
    },
    note(line) {
      clear();
      process.stderr.write(`${line}\n`);
    },
    end: clear,
  };
}
