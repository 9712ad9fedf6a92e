import type { LiveHello, LiveMessage } from "@tessera/core/protocol/gateway-api";

/** A capture on its way to the gateway and what came back about it. */
export interface LiveChannel {
  /** Whether a frame may be sent now: connected, and the one before was answered. */
  ready(): boolean;
  /** Sends one picture or sound; the answer comes to `onMessage` together with it. */
  send(capture: Blob): void;
  close(): void;
}

/** Where the channel goes and who listens. */
export interface LiveChannelOptions {
  readonly token: string | undefined;
  readonly onMessage: (message: LiveMessage, capture: Blob) => void;
  readonly open: (path: string) => WebSocket;
}

/** A frame that is not answered within this time is given up, so that one lost answer does not stop the feedback. */
const PATIENCE_MS = 3000;

/**
 * Opens the channel for quality feedback. One capture is under way at a time: a slow gateway slows the feedback and fills no queue. The channel is a
 * comfort: where it cannot be had, pictures are taken by hand, so its failure is no error.
 */
export function openLiveChannel(options: LiveChannelOptions): LiveChannel {
  const socket = options.open("/v1/live");
  socket.addEventListener("open", () => {
    const hello: LiveHello = { token: options.token ?? "" };
    socket.send(JSON.stringify(hello));
  });
  let asked: { readonly capture: Blob; readonly atMs: number } | undefined;
  socket.addEventListener("message", ({ data }) => {
    const message = liveMessageOf(data);
    if (message === undefined || asked === undefined) return;
    const { capture } = asked;
    asked = undefined;
    options.onMessage(message, capture);
  });
  return {
    ready: () => socket.readyState === 1 && (asked === undefined || performance.now() - asked.atMs > PATIENCE_MS),
    send(capture) {
      asked = { capture, atMs: performance.now() };
      socket.send(capture);
    },
    close: () => socket.close(),
  };
}

/** A message of the gateway; undefined for anything else. */
export function liveMessageOf(data: unknown): LiveMessage | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const message = JSON.parse(data) as Partial<LiveMessage> | null;
    return message?.kind === "quality" && Array.isArray(message.notes) ? (message as LiveMessage) : undefined;
  } catch {
    return undefined;
  }
}
