/** Resolves when the process is asked to stop: `signal` aborts on Ctrl-C, and SIGTERM. */
export function stopAsked(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      process.off("SIGTERM", done);
      resolve();
    };
    process.on("SIGTERM", done);
    if (signal.aborted) done();
    signal.addEventListener("abort", done, { once: true });
  });
}
