import type { ChildProcess } from "node:child_process";
import type { Worker } from "node:worker_threads";

/** Somebody who holds a session elsewhere and answers messages: a thread or a process. */
export interface Peer {
  /** Sends a message; buffers in `transfer` may be moved instead of copied. */
  post(message: unknown, transfer: ArrayBuffer[]): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Called once, when no more messages will come; says why. */
  onGone(listener: (why: string) => void): void;
  /** Whether waiting for this peer keeps the process alive. */
  hold(alive: boolean): void;
  /** Ends it; resolves when it is gone. */
  end(): Promise<void>;
}

/** A worker thread as a peer. */
export function workerPeer(worker: Worker): Peer {
  let why: string | undefined;
  const gone = new Promise<string>((resolve) => {
    worker.on("error", (error) => {
      why = `its worker failed: ${error instanceof Error ? error.message : error}`;
    });
    worker.on("exit", (code) => resolve(why ?? `its worker ended with code ${code}`));
  });
  worker.unref();
  return {
    post: (message, transfer) => worker.postMessage(message, transfer),
    onMessage: (listener) => void worker.on("message", listener),
    onGone: (listener) => void gone.then(listener),
    hold: (alive) => (alive ? worker.ref() : worker.unref()),
    async end() {
      worker.ref();
      await worker.terminate();
      await gone;
    },
  };
}

/** A child process with a message channel as a peer. */
export function processPeer(child: ChildProcess): Peer {
  let why: string | undefined;
  const gone = new Promise<string>((resolve) => {
    child.on("error", (error) => {
      why = `its process failed: ${error.message}`;
    });
    child.on("close", (code, signal) => resolve(why ?? `its process ended with ${signal ?? `code ${code}`}`));
  });
  function hold(alive: boolean): void {
    for (const handle of [child, child.channel]) {
      if (alive) handle?.ref();
      else handle?.unref();
    }
  }
  // Nobody reads what it prints; a full pipe would stop it.
  child.stderr?.resume();
  (child.stderr as unknown as { unref?: () => void } | null)?.unref?.();
  hold(false);
  return {
    post(message) {
      child.send(message as object, (error) => {
        if (error) child.kill("SIGKILL");
      });
    },
    onMessage: (listener) => void child.on("message", listener),
    onGone: (listener) => void gone.then(listener),
    hold,
    async end() {
      hold(true);
      child.kill("SIGKILL");
      await gone;
    },
  };
}
