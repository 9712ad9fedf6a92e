import { fail } from "@tessera/core/base/error";

/** Lets so many do their work at a time, lets so many wait, and turns the rest away. */
export interface Gate {
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly running: number;
  readonly waiting: number;
}

/** A gate. `run` throws GATEWAY_BUSY when the queue is full. */
export function createGate(options: { readonly concurrent: number; readonly queue: number }): Gate {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (running >= options.concurrent) {
        if (waiting.length >= options.queue)
          throw fail("GATEWAY_BUSY", `Cannot take the request: ${running} are being worked on and ${waiting.length} wait`);
        // Whoever ends hands its place on, so that nobody overtakes.
        await new Promise<void>((resolve) => waiting.push(resolve));
      } else running++;
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) running--;
        else next();
      }
    },
    get running() {
      return running;
    },
    get waiting() {
      return waiting.length;
    },
  };
}
