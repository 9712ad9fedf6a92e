import { describe, expect, it } from "vitest";
import { type LiveChannelOptions, liveMessageOf, openLiveChannel } from "./live-channel.ts";

/** A socket that a test plays the gateway's part of. */
class FakeSocket extends EventTarget {
  readyState = 0;
  readonly sent: unknown[] = [];
  send(data: unknown): void {
    this.sent.push(data);
  }
  close(): void {
    this.readyState = 3;
  }
  say(data: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }
  accept(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }
}

const GOOD = JSON.stringify({ kind: "quality", modality: "face", good: true, notes: [], quality: {}, ms: 1 });

function channel() {
  const socket = new FakeSocket();
  const heard: unknown[] = [];
  const live = openLiveChannel({
    token: "secret",
    onMessage: (message, capture) => heard.push([message.good, capture]),
    open: () => socket as unknown as ReturnType<LiveChannelOptions["open"]>,
  });
  return { socket, live, heard };
}

describe("openLiveChannel()", () => {
  it("says who it is first, then sends one capture at a time", () => {
    const { socket, live, heard } = channel();
    expect(live.ready()).toBe(false);
    socket.accept();
    expect(socket.sent).toEqual(['{"token":"secret"}']);
    expect(live.ready()).toBe(true);
    const frame = new Blob(["x"]);
    live.send(frame);
    expect(live.ready()).toBe(false);
    socket.say(GOOD);
    expect(heard).toEqual([[true, frame]]);
    expect(live.ready()).toBe(true);
  });

  it("takes nothing that it did not ask for, and nothing that is no message", () => {
    const { socket, live, heard } = channel();
    socket.accept();
    socket.say(GOOD);
    live.send(new Blob([]));
    for (const data of ["", "{", "null", "[]", '{"kind":"other","notes":[]}', '{"kind":"quality"}', new ArrayBuffer(4)])
      socket.say(data);
    expect(heard).toEqual([]);
    expect(liveMessageOf(GOOD)?.good).toBe(true);
  });

  it("is not ready any more when the gateway is gone", () => {
    const { socket, live } = channel();
    socket.accept();
    socket.close();
    expect(live.ready()).toBe(false);
  });
});
