import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeWav } from "@tessera/core/signal/wav";
import { buildPage } from "@tessera/testkit/page/build-page";
import { writeY4m } from "@tessera/testkit/page/fake-media";
import { type StubAnswer, type StubGateway, type StubRequest, stubGateway } from "@tessera/testkit/page/stub-gateway";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { encodeWav } from "./wav.ts";

const browserPath = [process.env["CHROMIUM"], "/usr/bin/chromium"].find((path) => path !== undefined && existsSync(path));

const FACE = {
  modality: "face",
  outcome: "match",
  notes: [],
  quality: { faceShare: 0.42, sharpness: 310 },
  score: 0.6,
  threshold: 0.4,
};
const VOICE = { modality: "voice", outcome: "match", notes: [], quality: { seconds: 2 } };
const ACCEPT = {
  decision: "accept",
  reasons: [],
  modalities: [FACE, VOICE],
  stages: [
    { stage: "detect", modality: "face", ms: 9.8 },
    { stage: "vad", modality: "voice", ms: 12 },
    { stage: "compare", ms: 0.1 },
  ],
  totalMs: 31,
};
const REJECT = { ...ACCEPT, decision: "reject", modalities: [{ ...FACE, outcome: "not-live" }, VOICE] };

/** Answers of a gateway that is well; a test replaces some. */
const USUAL: Readonly<Record<string, StubAnswer>> = {
  "GET /v1/health": { status: 200, body: { status: "ok", version: "0", uptimeSeconds: 1, problems: [] } },
  "GET /v1/me": { status: 200, body: { token: "t", role: "developer", modalities: ["face", "voice"], mode: "any" } },
  "GET /v1/models": { status: 200, body: [] },
  "GET /v1/subjects": { status: 200, body: [] },
  "POST /v1/challenge": { status: 200, body: { nonce: "nonce-1", expiresAt: "2030-01-01T00:00:00Z" } },
  "POST /v1/subjects/ada/verify": { status: 200, body: ACCEPT },
};

describe.skipIf(browserPath === undefined)("the page in a real browser (needs Chromium: set CHROMIUM to its path)", () => {
  let folder: string;
  let browser: Browser;
  let gateway: StubGateway;
  let answers: Record<string, StubAnswer | "hang-up"> = {};
  let pages: Page[] = [];
  let complaints: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tessera-page-test-"));
    await buildPage(folder);
    // A grey oval and a hum: the stand-in for a gateway finds every picture and every sound good.
    const frame = new Uint8Array(3 * 320 * 240).fill(90).fill(190, 3 * 320 * 60, 3 * 320 * 180);
    await writeY4m(join(folder, "camera.y4m"), [frame], { width: 320, height: 240 });
    const hum = Float32Array.from({ length: 48_000 }, (_, i) => 0.3 * Math.sin((2 * Math.PI * 200 * i) / 16_000));
    await writeFile(join(folder, "microphone.wav"), encodeWav(hum, 16_000));
    gateway = await stubGateway(folder, ({ call }) => answers[call] ?? USUAL[call]);
    browser = await chromium.launch({
      executablePath: browserPath as string,
      args: [
        "--no-sandbox",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        `--use-file-for-fake-video-capture=${join(folder, "camera.y4m")}`,
        `--use-file-for-fake-audio-capture=${join(folder, "microphone.wav")}`,
      ],
    });
  });
  afterAll(async () => {
    await browser?.close();
    await gateway?.close();
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    for (const page of pages) await page.close();
    pages = [];
    answers = {};
    gateway.requests.length = 0;
  });

  /** Opens the page with a token, unless told otherwise. The live channel finds everything good. `before` runs in the page before its scripts. */
  async function open(
    options: {
      readonly token?: string;
      readonly at?: string;
      readonly before?: string;
      readonly width?: number;
      readonly scheme?: "light" | "dark";
    } = {},
  ): Promise<Page> {
    const { token = "secret", at = "", before, width = 800, scheme = "light" } = options;
    const page = await browser.newPage({ viewport: { width, height: 800 }, colorScheme: scheme });
    pages.push(page);
    complaints = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    if (token !== "") await page.addInitScript(`sessionStorage.setItem("tessera-token", ${JSON.stringify(token)})`);
    if (before !== undefined) await page.addInitScript(before);
    await page.routeWebSocket(/\/v1\/live$/, (socket) => {
      socket.onMessage((message) => {
        if (typeof message === "string") return;
        const modality = message.subarray(0, 4).toString() === "RIFF" ? "voice" : "face";
        socket.send(JSON.stringify({ kind: "quality", modality, good: true, notes: [], quality: {}, ms: 3 }));
      });
    });
    await page.goto(`${gateway.url}/${at}`);
    await page.waitForSelector("#health:not([data-status=asking])");
    return page;
  }

  /** Sends a picture from a file for ada: the short way to an answer. */
  async function tryByFile(page: Page): Promise<void> {
    await page.fill("#subject", "ada");
    await page.evaluate("document.querySelector('#files').open = true");
    await page.setInputFiles("#files-voice", join(folder, "microphone.wav"));
    await page.click("#files-send");
    await page.waitForSelector(":is([data-flow=done], [data-flow=stuck])");
  }

  const inPage = <T>(page: Page, expression: string): Promise<T> => page.evaluate(expression) as Promise<T>;
  const result = (page: Page): Promise<string> => page.locator("#result").innerText();
  const callsOf = (call: string): readonly StubRequest[] => gateway.requests.filter((request) => request.call === call);

  it("verifies with camera and microphone, by keyboard alone, and lets go of both afterwards", async () => {
    const page = await open({ before: WATCH_TRACKS });
    await page.keyboard.type("ada");
    await page.keyboard.press("Enter");
    await page.waitForSelector("[data-flow=done]");
    expect(await result(page)).toContain("Welcome, ada");
    expect(await inPage(page, "document.activeElement.id")).toBe("result-title");
    // One track of each kind was opened, and both have ended.
    expect(await inPage(page, "window.tracks.map((t) => t.kind + ' ' + t.readyState).sort()")).toEqual([
      "audio ended",
      "video ended",
    ]);
    expect(await inPage(page, "document.querySelector('video').srcObject")).toBeNull();
    expect(complaints).toEqual([]);

    const [sent] = callsOf("POST /v1/subjects/ada/verify");
    expect(sent?.authorization).toBe("Bearer secret");
    const { body } = sent as StubRequest;
    const jpeg = body.indexOf(Buffer.from([0xff, 0xd8, 0xff]));
    expect(jpeg).toBeGreaterThan(0);
    const riff = body.indexOf("RIFF");
    const sound = decodeWav(new Uint8Array(body.subarray(riff, riff + 8 + body.readUInt32LE(riff + 4))));
    expect([sound.rateHz, sound.samples.length]).toEqual([16_000, 32_000]);
    // It is the hum of the fake microphone, not silence and not the beep Chromium makes without a file: 200 Hz cross zero 800 times in two seconds.
    expect(Math.abs(crossings(sound.samples) - 800)).toBeLessThan(8);
  });

  it("keeps camera and microphone off when it is stopped while the browser still asks", async () => {
    const page = await open({ before: `${WATCH_TRACKS}; ${SLOW_PERMISSION}` });
    await page.fill("#subject", "ada");
    await page.click("#start");
    await page.waitForSelector("[data-flow=opening]");
    await page.click("#stop");
    await inPage(page, "window.permit()");
    await expect
      .poll(() => inPage(page, "window.tracks.map((t) => t.kind + ' ' + t.readyState)"), { timeout: 15_000 })
      .toEqual(["video ended"]);
    expect(await page.getAttribute("#capture", "data-flow")).toBe("idle");
  });

  it("tells a blocked camera, a missing microphone and an unsafe page apart, and offers what helps", async () => {
    const cases = [
      ["video", "NotAllowedError", "The camera is blocked", "Go on without face"],
      ["audio", "NotFoundError", "No microphone found", "Go on without voice"],
      ["video", "NotReadableError", "The camera is in use", "Try again"],
    ] as const;
    const page = await open({ before: REFUSE });
    for (const [kind, name, title, way] of cases) {
      await inPage(page, `window.refused = ${JSON.stringify({ kind, name })}`);
      await page.fill("#subject", "ada");
      await page.click("#start");
      await page.waitForSelector("[data-flow=stuck]");
      expect(await result(page)).toContain(title);
      expect(await page.locator("#result-actions").innerText()).toContain(way);
      await page.locator("#result-actions button", { hasText: "Choose files instead" }).click();
      expect(await inPage(page, "document.activeElement.id")).toBe("files-face");
    }
    await inPage(page, "Object.defineProperty(window, 'isSecureContext', { value: false })");
    await page.fill("#subject", "ada");
    await page.click("#start");
    await page.waitForSelector("[data-flow=stuck]");
    expect(await result(page)).toContain("safe connection");
  });

  it("says why somebody was not let in", async () => {
    answers["POST /v1/subjects/ada/verify"] = { status: 200, body: REJECT };
    const page = await open({ at: "#verify" });
    await tryByFile(page);
    const text = await result(page);
    expect(text).toContain("Not recognised");
    expect(text).toContain("Face looks like a picture or a screen, not a person");
    expect(text).toContain("Voice matches");
    // The place one is in leads back to its beginning.
    await page.click("nav a[href='#verify']");
    await page.waitForSelector("#capture[data-flow=idle]");
  });

  it("counts a lock-out down and lets the person try again when it is over", async () => {
    const locked = { decision: "locked", reasons: ["Too many wrong tries"], modalities: [], stages: [], totalMs: 1 };
    answers["POST /v1/subjects/ada/verify"] = { status: 200, body: { ...locked, retryAfterSeconds: 2 } };
    const page = await open();
    await tryByFile(page);
    expect(await result(page)).toMatch(/Locked for now[\s\S]*It opens again in [12] s/);
    expect(await page.locator("#result-actions").innerText()).not.toContain("Try again");
    await expect.poll(() => result(page), { timeout: 15_000 }).toContain("You can try again now");
    expect(await page.locator("#result-actions").innerText()).toContain("Try again");
  });

  it("asks for a token before anything is captured, and again when the gateway does not know it", async () => {
    const page = await open({ token: "" });
    expect(gateway.requests.map(({ call }) => call)).toEqual(["GET /v1/health"]);
    await page.fill("#subject", "ada");
    await page.click("#start");
    await page.waitForSelector("#token-dialog[open]");
    expect(await page.getAttribute("#capture", "data-flow")).toBe("idle");
    await page.keyboard.type("wrong");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#token-dialog:not([open])", { state: "attached" });
    expect(await inPage(page, "Object.values(sessionStorage)")).toEqual(["wrong"]);
    expect(await inPage(page, "Object.values(localStorage).length + document.cookie.length")).toBe(0);
    expect(page.url()).not.toContain("wrong");
    answers["POST /v1/challenge"] = { status: 401, body: { error: { code: "AUTH_MISSING", says: "No such token", next: "" } } };
    await tryByFile(page);
    await page.waitForSelector("#token-dialog[open]");
    expect(await page.locator("#token-dialog").innerText()).toContain("does not know you");
    expect(await page.inputValue("#token")).toBe("");
    await page.click("#token-forget");
    expect(await inPage(page, "Object.values(sessionStorage)")).toEqual([]);
  });

  it("says that the gateway is away, notices when it is back, and asks a busy one again", async () => {
    answers["POST /v1/challenge"] = "hang-up";
    answers["GET /v1/health"] = "hang-up";
    const page = await open();
    expect(await page.innerText("#health")).toBe("Gateway offline");
    await tryByFile(page);
    expect(await result(page)).toContain("The gateway does not answer");
    answers = { "POST /v1/subjects/ada/verify": { status: 503, headers: { "retry-after": "0" } } };
    await page.waitForSelector("#health[data-status=ok]");
    await page.locator("#result-actions button", { hasText: "Done" }).click();
    await tryByFile(page);
    expect(await result(page)).toContain("The gateway is busy");
    expect(callsOf("POST /v1/subjects/ada/verify")).toHaveLength(3);
  });

  it("lists people, shows names as text whatever they hold, and deletes after asking", async () => {
    const hostile = "<img src=x onerror=alert(1)>";
    const template = { modality: "face", template: "t", embeddingSpace: "e", samples: 4, enrolledAt: "2026-11-20T10:11:12Z" };
    answers["GET /v1/subjects"] = {
      status: 200,
      body: ["zoe", hostile, "ada"].map((subject) => ({ subject, templates: [template] })),
    };
    answers["DELETE /v1/subjects/ada"] = { status: 204 };
    const page = await open({ at: "#people" });
    await page.waitForSelector("#people-list h2");
    expect(await page.locator("#people-list h2").allInnerTexts()).toEqual([hostile, "ada", "zoe"]);
    expect(await page.locator("#people-list img").count()).toBe(0);
    await page.fill("#people-find", "AD");
    expect(await page.locator("#people-list h2").allInnerTexts()).toEqual(["ada"]);
    await page.click("[aria-label='Delete ada']");
    await page.keyboard.press("Enter");
    expect(callsOf("DELETE /v1/subjects/ada")).toHaveLength(0);
    await page.click("[aria-label='Delete ada']");
    await page.click("#delete-dialog button[value=yes]");
    await expect.poll(() => page.innerText("#people-status"), { timeout: 15_000 }).toBe("ada was deleted");
    expect(callsOf("DELETE /v1/subjects/ada")).toHaveLength(1);
    expect(complaints).toEqual([]);
  });

  it("shows a developer the stages as bars, the scores against thresholds and the figures", async () => {
    const page = await open();
    await page.click("#measurements-toggle");
    await tryByFile(page);
    const text = await page.innerText("#measurements");
    for (const words of ["detect face", "vad voice", "compare request", "0.600", "0.400", "0.200", "Sharpness", "310"]) {
      expect(text).toContain(words);
    }
    const widths = await inPage<number[]>(
      page,
      "[...document.querySelectorAll('.bar')].map((b) => b.getBoundingClientRect().width)",
    );
    expect(widths).toHaveLength(3);
    expect((widths[0] as number) / (widths[1] as number)).toBeCloseTo(9.8 / 12, 1);
    expect(complaints).toEqual([]);
  });

  it("hides from a capture token what only an operator may do, and the choice where a gateway needs both", async () => {
    answers["GET /v1/me"] = { status: 200, body: { token: "t", role: "capture", modalities: ["face", "voice"], mode: "all" } };
    const page = await open();
    await expect.poll(() => page.locator("nav a:visible").allInnerTexts(), { timeout: 15_000 }).toEqual(["Verify", "Identify"]);
    expect(await page.isVisible("#with")).toBe(false);
  });

  for (const scheme of ["light", "dark"] as const) {
    it(`fits a small telephone without sideways scrolling and with enough contrast in every place, ${scheme}`, async () => {
      answers["POST /v1/subjects/ada/verify"] = { status: 200, body: REJECT };
      const page = await open({ width: 360, scheme });
      const look = async (place: string): Promise<void> => {
        expect(await inPage<number>(page, "document.documentElement.scrollWidth"), place).toBeLessThanOrEqual(360);
        // WCAG 2.2, 1.4.3: at least 4.5 to 1 for text.
        expect(await inPage<number>(page, CONTRAST), place).toBeGreaterThanOrEqual(4.5);
      };
      await look("form");
      await page.click("#measurements-toggle");
      await tryByFile(page);
      await look("result with measurements");
      for (const place of ["identify", "enrol", "people"]) {
        await page.click(`nav a[href="#${place}"]`);
        await page.waitForSelector(`nav a[href="#${place}"][aria-current]`);
        await look(place);
      }
      await page.click("#token-open");
      await look("token");
    });
  }
});

/** How often a sound crosses zero. */
function crossings(samples: Float32Array): number {
  let count = 0;
  for (let i = 1; i < samples.length; i++) if ((samples[i - 1] as number) < 0 !== (samples[i] as number) < 0) count++;
  return count;
}

/** Keeps every track that getUserMedia gives, to see what became of it. */
const WATCH_TRACKS = `
  window.tracks = [];
  const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await given(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
  };`;

/** A person who has not answered the browser's question yet. */
const SLOW_PERMISSION = `
  const asked = navigator.mediaDevices.getUserMedia;
  const permitted = new Promise((resolve) => { window.permit = resolve; });
  navigator.mediaDevices.getUserMedia = (wanted) => permitted.then(() => asked(wanted));`;

/** getUserMedia fails for the kind of device that a test names in `window.refused`, as the browser would. */
const REFUSE = `
  const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted) =>
    wanted[window.refused.kind] === undefined ? given(wanted) : Promise.reject(new DOMException("no", window.refused.name));`;

/** The least contrast of any visible text against what lies behind it. */
const CONTRAST = `(() => {
  const luminance = (c) => {
    const [r, g, b] = c.match(/[\\d.]+/g).map(Number).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const [r, g, b, a = 1] = getComputedStyle(at).backgroundColor.match(/[\\d.]+/g).map(Number);
      if (a > 0) return "rgb(" + r + "," + g + "," + b + ")";
    }
    return "rgb(255,255,255)";
  };
  let least = 21;
  for (const e of document.querySelectorAll("body *:not(svg *)")) {
    if (!e.checkVisibility() || ![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== "")) continue;
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))].sort((x, y) => y - x);
    least = Math.min(least, (a + 0.05) / (b + 0.05));
  }
  return least;
})()`;
