import { existsSync } from "node:fs";
import { emptyExampleReport, exampleReport } from "@tessera/testkit/report-fixture";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { renderReport } from "./report.ts";

const browserPath = [process.env["CHROMIUM"], "/usr/bin/chromium"].find((path) => path !== undefined && existsSync(path));

const REPORTS = {
  "a report of LFW size": renderReport(exampleReport()),
  "an illustration with too little data": renderReport({
    ...exampleReport({ genuine: 60, impostor: 900 }),
    illustration: "Eleven photographs of five people: far too few to say how well the model works",
  }),
  "a report with nothing optional": renderReport(emptyExampleReport()),
  "a report with endless names": renderReport({
    ...exampleReport(),
    model: { ...exampleReport().model, file: `${"verylongname".repeat(20)}.onnx` },
    candidates: exampleReport().candidates.map((c) => ({ ...c, says: `${c.says} ${"x".repeat(90)}` })),
  }),
} as const;

/** What went wrong while the page was shown. */
interface Watched {
  readonly page: Page;
  readonly complaints: string[];
  readonly requests: string[];
}

describe.skipIf(browserPath === undefined)("the page in a real browser (needs Chromium: set CHROMIUM to its path)", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: browserPath as string, args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser?.close();
  });

  async function open(text: string, options: { readonly width: number; readonly scheme: "light" | "dark" }): Promise<Watched> {
    const page = await browser.newPage({ viewport: { width: options.width, height: 900 }, colorScheme: options.scheme });
    const complaints: string[] = [];
    const requests: string[] = [];
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => requests.push(request.url()));
    await page.setContent(text, { waitUntil: "load" });
    return { page, complaints, requests };
  }

  /** Runs in the page; given as text because the sources know no DOM. */
  const inPage = <T>(page: Page, expression: string): Promise<T> => page.evaluate(expression) as Promise<T>;

  for (const [name, text] of Object.entries(REPORTS)) {
    for (const width of [1280, 390]) {
      it(`shows ${name} at ${width} pixels without complaint, request or sideways scrolling`, async () => {
        const { page, complaints, requests } = await open(text, { width, scheme: "light" });
        expect(await inPage<number>(page, "document.documentElement.scrollWidth")).toBeLessThanOrEqual(width);
        expect(complaints).toEqual([]);
        expect(requests).toEqual([]);
        await page.close();
      });
    }
  }

  it("switches every colour of text, page and curves between light and dark, with contrast in both", async () => {
    const seen: Record<string, { paper: string; curve: string; contrast: number }> = {};
    for (const scheme of ["light", "dark"] as const) {
      const { page } = await open(REPORTS["a report of LFW size"], { width: 1280, scheme });
      seen[scheme] = await inPage(page, LOOK);
      await page.close();
    }
    expect(seen["light"]?.paper).not.toBe(seen["dark"]?.paper);
    expect(seen["light"]?.curve).not.toBe(seen["dark"]?.curve);
    // WCAG 2.2, 1.4.3: at least 4.5 to 1 for text.
    for (const scheme of ["light", "dark"]) expect(seen[scheme]?.contrast).toBeGreaterThanOrEqual(4.5);
  });

  it("prints in light colours with all folds open", async () => {
    const { page } = await open(REPORTS["a report of LFW size"], { width: 1280, scheme: "dark" });
    const folded = "document.querySelector('details .folded').checkVisibility({ contentVisibilityAuto: true })";
    const paper = "getComputedStyle(document.body).backgroundColor";
    expect(await inPage<boolean>(page, folded)).toBe(false);
    await page.emulateMedia({ media: "print" });
    expect(await inPage<string>(page, paper)).toBe("rgb(255, 255, 255)");
    expect(await inPage<boolean>(page, folded)).toBe(true);
    expect((await page.pdf({ format: "A4" })).length).toBeGreaterThan(50_000);
    await page.close();
  });
});

/** Colours in use, and the least contrast of any text against what lies behind it. */
const LOOK = `(() => {
  const numbers = (c) => c.match(/[\\d.]+/g).map(Number);
  const luminance = (c) => {
    const [r, g, b] = numbers(c).map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(at).backgroundColor);
      if (a > 0) return "rgb(" + r + "," + g + "," + b + ")";
    }
    return "rgb(255,255,255)";
  };
  let contrast = 21;
  for (const e of document.querySelectorAll("main *:not(svg *)")) {
    if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== "")) continue;
    const [a, b] = [luminance(getComputedStyle(e).color), luminance(behind(e))].sort((x, y) => y - x);
    contrast = Math.min(contrast, (a + 0.05) / (b + 0.05));
  }
  for (const e of document.querySelectorAll("svg.plot text")) {
    const [a, b] = [luminance(getComputedStyle(e).fill), luminance(behind(e.closest("figure")))].sort((x, y) => y - x);
    contrast = Math.min(contrast, (a + 0.05) / (b + 0.05));
  }
  return {
    paper: getComputedStyle(document.body).backgroundColor,
    curve: getComputedStyle(document.querySelector("#accuracy svg.plot [stroke='var(--c1)']")).stroke,
    contrast,
  };
})()`;
