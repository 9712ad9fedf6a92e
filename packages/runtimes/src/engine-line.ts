import { fail } from "@tessera/core/base/error";
import type { AnswerMessage, Answers, Request, RequestMessage } from "./engine-wire.ts";
import type { Peer } from "./peer.ts";

/** Requests to a peer and its answers. Keeps the process alive only while an answer is due. */
export class Line {
  readonly #peer: Peer;
  readonly #waiting = new Map<number, { readonly resolve: (value: never) => void; readonly reject: (error: unknown) => void }>();
  #next = 0;
  #end: Error | undefined;

  constructor(peer: Peer) {
    this.#peer = peer;
    peer.onMessage((message) => this.#settle(message as AnswerMessage));
    peer.onGone((why) => this.#fall(fail("RUNTIME_FAILED", `Cannot use the session: ${why}`)));
  }

  /** Whether the peer is gone or its engine fell over: it takes no more requests. */
  get spent(): boolean {
    return this.#end !== undefined;
  }

  /** @throws what the engine throws; RUNTIME_FAILED when the peer is gone */
  ask<R extends Request>(request: R, transfer: ArrayBuffer[] = []): Promise<Answers[R["kind"]]> {
    if (this.#end) return Promise.reject(this.#end);
    const id = this.#next++;
    return new Promise<Answers[R["kind"]]>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#peer.hold(true);
      const message: RequestMessage = { id, request };
      this.#peer.post(message, transfer);
    });
  }

  /** Ends the peer and waits until it is gone. */
  async end(): Promise<void> {
    this.#end ??= fail("RUNTIME_FAILED", "Cannot use the session: it is closed");
    await this.#peer.end();
  }

  #settle(message: AnswerMessage): void {
    const entry = this.#waiting.get(message.id);
    if (!entry) return;
    this.#waiting.delete(message.id);
    if (this.#waiting.size === 0) this.#peer.hold(false);
    if (message.ok) {
      entry.resolve(message.value as never);
      return;
    }
    const { code, message: words, at, hint, cause } = message.error;
    const error = fail(code, words, { at, hint, cause });
    entry.reject(error);
    if (!message.broken) return;
    this.#fall(fail("RUNTIME_FAILED", `Cannot use the session: an earlier call broke it: ${words}`, { cause: error }));
    void this.#peer.end();
  }

  #fall(error: Error): void {
    this.#end ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}
