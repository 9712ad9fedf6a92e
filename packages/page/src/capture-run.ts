import type { LiveMessage } from "@tessera/core/protocol/gateway-api";
import { type Camera, openCamera } from "./camera.ts";
import { type ClipTaker, clipTaker } from "./clip-taker.ts";
import { type FlowEvent, type FlowState, flowAfter, isRunning, needsMedia, type Plan } from "./flow.ts";
import type { Captures, GatewayClient } from "./gateway-client.ts";
import { type Aim, aimAfter, mostPressing, type Shown, shownAfter } from "./guidance.ts";
import { type LiveChannel, openLiveChannel } from "./live-channel.ts";
import { levelDb, QUIET_DB } from "./loudness.ts";
import { type Microphone, openMicrophone, resampled, SOUND_RATE_HZ } from "./microphone.ts";
import { problemOf } from "./problem.ts";
import { sendCaptures } from "./send-captures.ts";
import { GUIDANCE, PHRASES, say } from "./sentences.ts";
import { encodeWav } from "./wav.ts";

/** What is to be seen of a run at a moment. */
export interface RunView {
  readonly state: FlowState;
  readonly guidance: string;
  /** The last frame was good. */
  readonly good: boolean;
  readonly phrase: string;
  readonly levelDb: number;
  /** Of the clip, 0..1. */
  readonly progress: number;
  /** What the gateway said last about a frame. */
  readonly live?: LiveMessage;
}

/** What a run needs. */
export interface CaptureRunParts {
  readonly client: GatewayClient;
  readonly token: () => string | undefined;
  readonly video: HTMLVideoElement;
  readonly show: (view: RunView) => void;
}

/** A run of one task after another. */
export interface CaptureRun {
  start(plan: Plan): void;
  startWithFiles(plan: Plan, captures: Captures): void;
  /** Takes the frame on show, good or not: the way out where there is no live feedback. */
  takeNow(): void;
  stop(): void;
}

const TICK_MS = 100;
/** Camera and microphone do not stay on for somebody who went away. */
const NOBODY_MS = 90_000;
/** Without feedback for so long, the person is told to take the picture by hand. */
const NO_FEEDBACK_MS = 4000;
/** Time to see the next sentence before it is listened for. */
const BREATH_MS = 1000;
/** How long a clip waits for the gateway's word on it, and how often it is taken again for it. */
const CHECK_MS = 1500;
const MOST_CLIPS_AGAIN = 2;

/** What lives as long as one start: everything here is gone after {@link close}. */
interface Session {
  readonly abort: AbortController;
  readonly images: Blob[];
  readonly sounds: Blob[];
  camera?: Camera;
  microphone?: Microphone;
  live?: LiveChannel;
  timer?: ReturnType<typeof setInterval>;
  aim: Aim;
  taker?: ClipTaker;
  /** Takes the clip that waits for the gateway's word. */
  checked?: (message?: LiveMessage) => void;
  clipsAgain: number;
  listenFromMs: number;
  heardFromGatewayMs: number;
  grabbing: boolean;
}

/**
 * Runs captures: opens camera and microphone, asks the gateway about each frame, keeps the good ones, cuts clips of speech, sends them off. Every
 * decision about what comes next is in the pure modules; here is what has effects. Camera and microphone are off whenever `needsMedia` says so.
 */
export function captureRun({ client, token, video, show }: CaptureRunParts): CaptureRun {
  let state: FlowState = { kind: "idle" };
  let session: Session | undefined;
  let shown: Shown = { text: "", sinceMs: Number.NEGATIVE_INFINITY };
  let wanted = "";
  let look = { good: false, levelDb: QUIET_DB, progress: 0 };
  let live: LiveMessage | undefined;
  let phraseAt = Math.floor(Math.random() * PHRASES.length);

  const render = (): void => {
    const phrase = state.kind === "voice" ? (PHRASES[phraseAt % PHRASES.length] as string) : "";
    show({ state, guidance: shown.text, phrase, ...look, ...(live === undefined ? {} : { live }) });
  };

  /** `now` puts the sentence up at once: a new step must not wait for the old step's sentence. */
  const guide = (text: string, now = false): void => {
    wanted = text;
    shown = now ? { text, sinceMs: performance.now() } : shownAfter(shown, text, performance.now());
  };

  const dispatch = (event: FlowEvent): void => {
    const before = state;
    state = flowAfter(state, event);
    if (state === before) return;
    if (!needsMedia(state)) closeMedia();
    if (!isRunning(state)) {
      session?.abort.abort();
      session = undefined;
    }
    enter(before);
    render();
  };

  const enter = (before: FlowState): void => {
    look = { ...look, progress: 0 };
    if (state.kind === "opening") guide(say("opening"), true);
    else if (state.kind === "face") guide(say(state.taken > 0 ? "faceMore" : "faceSearching"), true);
    else if (state.kind === "voice") listen(before.kind !== "opening");
    else if (state.kind === "sending") {
      guide(say("sending"), true);
      void send(state.plan);
    } else guide("", true);
  };

  const closeMedia = (): void => {
    clearInterval(session?.timer);
    session?.camera?.close();
    session?.microphone?.close();
    session?.live?.close();
    look = { good: false, levelDb: QUIET_DB, progress: 0 };
  };

  const open = async (plan: Plan): Promise<void> => {
    const opened = session as Session;
    const lost = (device: "camera" | "microphone") => () => {
      if (session === opened && needsMedia(state)) dispatch({ kind: "went-wrong", problem: { kind: `${device}-missing` } });
    };
    const stopped = (): boolean => session !== opened;
    try {
      if (plan.faces > 0) opened.camera = await openCamera(video, lost("camera"));
      if (!stopped() && plan.voices > 0) opened.microphone = await openMicrophone(hear, lost("microphone"));
    } catch (error) {
      if (!stopped()) return dispatch({ kind: "went-wrong", problem: problemOf(error) });
    }
    if (stopped()) {
      // Stopped while the browser was still asking: what was granted since is given back.
      opened.camera?.close();
      opened.microphone?.close();
      return;
    }
    opened.live = openLiveChannel({
      token: token(),
      onMessage: (message, capture) => {
        if (!stopped()) onLive(message, capture);
      },
      open: (path) => new WebSocket(new URL(path, location.href.replace(/^http/, "ws"))),
    });
    const since = performance.now();
    opened.heardFromGatewayMs = since;
    opened.timer = setInterval(() => tick(since), TICK_MS);
    dispatch({ kind: "opened" });
  };

  const tick = (sinceMs: number): void => {
    const now = performance.now();
    if (now - sinceMs > NOBODY_MS) {
      dispatch({ kind: "went-wrong", problem: { kind: "timed-out" } });
      return;
    }
    if (state.kind === "face" && session !== undefined) {
      if (session.live?.ready() === true) void ask(session);
      if (now - session.heardFromGatewayMs > NO_FEEDBACK_MS) {
        look = { ...look, good: false };
        guide(say("faceManual"));
      }
    }
    guide(wanted);
    render();
  };

  /** Sends the frame on show for a look at its quality. */
  const ask = async (asker: Session): Promise<void> => {
    if (asker.grabbing) return;
    asker.grabbing = true;
    const frame = await asker.camera?.frame().finally(() => {
      asker.grabbing = false;
    });
    if (frame !== undefined && session === asker && state.kind === "face") asker.live?.send(frame);
  };

  const onLive = (message: LiveMessage, capture: Blob): void => {
    if (session === undefined) return;
    live = message;
    session.heardFromGatewayMs = performance.now();
    if (message.modality === "voice") session.checked?.(message);
    else if (state.kind === "face") {
      const { aim, take } = aimAfter(session.aim, message, performance.now());
      session.aim = aim;
      look = { ...look, good: message.good };
      if (take) {
        keepFace(capture);
        return;
      }
      const note = mostPressing(message.notes);
      if (!message.good) guide(note === undefined ? say("faceSearching") : (GUIDANCE[note.code] ?? note.says));
      else if (state.taken === 0) guide(say("faceGood"));
    }
    render();
  };

  const keepFace = (frame: Blob): void => {
    session?.images.push(frame);
    dispatch({ kind: "face-taken" });
  };

  /** Begins to wait for a sentence; after another step only when the person had time to see it. */
  const listen = (breathe: boolean): void => {
    if (session === undefined) return;
    session.taker = clipTaker(session.microphone?.rateHz ?? SOUND_RATE_HZ);
    session.listenFromMs = performance.now() + (breathe ? BREATH_MS : 0);
    session.clipsAgain = 0;
    phraseAt++;
    guide(say("voiceWaiting"), true);
  };

  const hear = (block: Float32Array): void => {
    if (session === undefined || !needsMedia(state)) return;
    look = { ...look, levelDb: levelDb(block) };
    if (state.kind === "voice" && session.taker !== undefined && performance.now() >= session.listenFromMs) {
      const clip = session.taker.add(block);
      if (clip.kind === "waiting") guide(clip.note === undefined ? say("voiceWaiting") : GUIDANCE[clip.note]);
      else if (clip.kind === "hearing") {
        if (look.progress === 0) guide(say("voiceHearing"), true);
        look = { ...look, progress: clip.share };
      } else {
        delete session.taker;
        if (clip.note !== undefined && session.clipsAgain < MOST_CLIPS_AGAIN) listenAgain(GUIDANCE[clip.note]);
        else void check(session, clip.samples);
      }
    }
    render();
  };

  const listenAgain = (why: string): void => {
    if (session === undefined) return;
    session.clipsAgain++;
    session.taker = clipTaker(session.microphone?.rateHz ?? SOUND_RATE_HZ);
    session.listenFromMs = performance.now() + BREATH_MS;
    look = { ...look, progress: 0 };
    guide(why, true);
  };

  /** Asks the gateway about a clip, keeps it unless there is something to mend, and does not insist on an answer. */
  const check = async (asker: Session, samples: Float32Array): Promise<void> => {
    look = { ...look, progress: 1 };
    const sound = await resampled(samples, asker.microphone?.rateHz ?? SOUND_RATE_HZ);
    const clip = new Blob([encodeWav(sound, SOUND_RATE_HZ)], { type: "audio/wav" });
    const message = await new Promise<LiveMessage | undefined>((resolve) => {
      asker.checked = resolve;
      if (asker.live?.ready() === true) asker.live.send(clip);
      else resolve(undefined);
      setTimeout(resolve, CHECK_MS);
    });
    delete asker.checked;
    if (session !== asker || state.kind !== "voice") return;
    const note = message === undefined || message.good ? undefined : mostPressing(message.notes);
    if (note !== undefined && asker.clipsAgain < MOST_CLIPS_AGAIN) return listenAgain(GUIDANCE[note.code] ?? note.says);
    asker.sounds.push(clip);
    dispatch({ kind: "voice-taken" });
  };

  const send = async (plan: Plan): Promise<void> => {
    const sender = session as Session;
    const event = await sendCaptures(client, plan, {
      captures: sender,
      signal: sender.abort.signal,
      onBusy: () => {
        guide(say("sendingBusy"), true);
        render();
      },
    });
    if (session === sender) dispatch(event);
  };

  const begin = (captures: Captures = { images: [], sounds: [] }): void => {
    session = {
      abort: new AbortController(),
      images: [...captures.images],
      sounds: [...captures.sounds],
      aim: { good: 0 },
      clipsAgain: 0,
      listenFromMs: 0,
      heardFromGatewayMs: 0,
      grabbing: false,
    };
    live = undefined;
  };

  return {
    start(plan) {
      if (isRunning(state)) return;
      begin();
      dispatch({ kind: "start", plan });
      void open(plan);
    },
    startWithFiles(plan, captures) {
      if (isRunning(state)) return;
      begin(captures);
      dispatch({ kind: "start-with-files", plan });
    },
    takeNow() {
      const taker = session;
      if (state.kind !== "face") return;
      void taker?.camera?.frame().then((frame) => {
        if (frame !== undefined && session === taker && state.kind === "face") keepFace(frame);
      });
    },
    stop: () => dispatch({ kind: "stop" }),
  };
}
