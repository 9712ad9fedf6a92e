import type { OptimizeReport } from "@tessera/core/protocol/report";
import { emptyExampleReport, exampleReport } from "@tessera/testkit/report-fixture";
import fc from "fast-check";
import { parseHTML } from "linkedom";
import { describe, expect, it } from "vitest";
import { renderReport } from "./report.ts";

const full = exampleReport();
const page = renderReport(full);

/** The part of an element that these tests look at: the sources know no DOM. */
interface Node {
  readonly tagName: string;
  readonly id: string;
  readonly textContent: string;
  readonly outerHTML: string;
  readonly attributes: Iterable<{ readonly name: string; readonly value: string }>;
  readonly classList: { contains(name: string): boolean };
  getAttribute(name: string): string | null;
  querySelector(selector: string): Node | null;
  querySelectorAll(selector: string): Iterable<Node> & ArrayLike<Node>;
}

function parse(text: string): Node {
  return parseHTML(text).document as unknown as Node;
}

const texts = (within: Node | undefined, selector: string): string[] =>
  Array.from(within?.querySelectorAll(selector) ?? [], (e) => e.textContent.replace(/\s+/g, " ").trim());

/** Elements that may stand without an end tag, in HTML and (written with a slash) in SVG. */
const VOID = new Set(["meta", "br", "link", "img", "input", "hr"]);

/** Every start tag has its end tag, in order: what a forgiving parser would hide. */
function unbalanced(text: string): string | undefined {
  const open: string[] = [];
  const body = text.replace(/<style>[\s\S]*?<\/style>/g, "");
  for (const [tag, slash, name = "", , selfClosing] of body.matchAll(/<(\/?)([a-zA-Z][\w-]*)((?:[^<>"]|"[^"]*")*?)(\/?)>/g)) {
    if (slash === "/") {
      const expected = open.pop();
      if (expected !== name) return `${tag} closes ${expected}`;
    } else if (selfClosing !== "/" && !VOID.has(name)) open.push(name);
  }
  return open.length === 0 ? undefined : `${open.join(", ")} left open`;
}

/** The report with every text replaced, except those that steer. */
function withTexts<T>(value: T, change: (text: string) => string, key = ""): T {
  if (typeof value === "string") return (["kind", "scheme", "createdAt"].includes(key) ? value : change(value)) as T;
  if (Array.isArray(value)) return value.map((v) => withTexts(v, change, key)) as T;
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([k, v]) => [key === "operators" ? change(k) : k, withTexts(v, change, k)]),
  ) as T;
}

function expectHarmless(text: string): void {
  const document = parse(text);
  expect(text).not.toMatch(/<script/i);
  for (const element of document.querySelectorAll("*")) {
    expect(["SCRIPT", "IFRAME", "OBJECT", "EMBED", "LINK", "IMG", "FORM", "BASE"]).not.toContain(element.tagName.toUpperCase());
    for (const { name, value } of Array.from(element.attributes)) {
      expect(name).not.toMatch(/^on/i);
      if (["href", "src", "xlink:href", "action"].includes(name)) expect(value).toMatch(/^#/);
    }
  }
}

describe("the page", () => {
  it("stands alone: no script, nothing loaded, no address of another place, a strict policy", () => {
    expectHarmless(page);
    expect(page.replaceAll("http-equiv", "")).not.toMatch(/https?:|\/\/[a-z]|@import|url\((?!#)/i);
    expect(parse(page).querySelector("meta[http-equiv]")?.getAttribute("content")).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; img-src data:",
    );
  });

  it("is well formed, with one id a name, and every reference leads somewhere", () => {
    expect(unbalanced(page)).toBeUndefined();
    const document = parse(page);
    const ids = Array.from(document.querySelectorAll("[id]"), (e) => e.id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const link of document.querySelectorAll("a[href]")) expect(ids).toContain(link.getAttribute("href")?.slice(1));
    for (const name of ["aria-labelledby", "aria-describedby"])
      for (const e of document.querySelectorAll(`[${name}]`)) expect(ids).toContain(e.getAttribute(name));
    for (const [, id] of page.matchAll(/url\(#([^)]+)\)/g)) expect(ids).toContain(id);
  });

  it("is the same for the same report, and small for a report of LFW size", () => {
    expect(renderReport(exampleReport())).toBe(page);
    expect(page.length).toBeLessThan(600_000);
  });

  it("puts the chapters in a reviewer's order, under one heading, listed in the contents", () => {
    const document = parse(page);
    expect(texts(document, "h1")).toEqual(["mobilefacenet-example-128.onnx"]);
    const chapters = texts(document, ".chapter > h2");
    expect(chapters).toEqual([
      "Candidates",
      "How the plan was found",
      "Operating points",
      "Everybody, searched on or not",
      "Cohorts",
      "Decisions that flip",
      "Templates across models",
      "Gates",
      "What the runtime really runs",
      "Layer by layer",
      "The graph before and after",
      "Pre-processing",
      "Data and evidence",
      "Model, machine and versions",
      "Files written",
      "What to do next",
    ]);
    expect(texts(document, ".contents a")).toEqual(chapters);
  });

  it("gives every picture a title and a description, every figure a caption, every table a caption and scoped headings", () => {
    const document = parse(page);
    const pictures = Array.from(document.querySelectorAll("svg.plot"));
    expect(pictures.length).toBe(13);
    for (const svg of pictures) {
      expect(svg.getAttribute("role")).toBe("img");
      expect(svg.querySelector("title")?.textContent).not.toBe("");
      expect(svg.querySelector("desc")?.textContent).not.toBe("");
      expect(svg.outerHTML).not.toMatch(/NaN|Infinity|undefined/);
      expect(svg.outerHTML).not.toMatch(/(?:fill|stroke)="#/);
    }
    for (const figure of document.querySelectorAll("figure"))
      expect(figure.querySelector("figcaption")?.textContent?.trim()).toBeTruthy();
    for (const table of document.querySelectorAll("table")) {
      expect(table.querySelector("caption")?.textContent).toBeTruthy();
      for (const th of table.querySelectorAll("th")) expect(th.getAttribute("scope")).toMatch(/^(col|row|colgroup)$/);
    }
  });
});

describe("what the page says", () => {
  it("answers first: the pick, its reasons, size, latency and TAR with interval", () => {
    const verdict = parse(page).querySelector(".verdict");
    const said = verdict?.textContent?.replace(/\s+/g, " ") ?? "";
    expect(said).toContain("Pick INT8 static, mse ranges");
    for (const why of full.pick.why) expect(said).toContain(why);
    expect(said).toContain("1.12 MB");
    expect(said).toContain("6.11 ms");
    expect(said).toMatch(/TAR at FAR 10⁻³98\.\d\d %95 % interval/);
  });

  it("says so when no candidate passes", () => {
    const { id: _, ...pick } = full.pick;
    const verdict = parse(renderReport({ ...full, pick })).querySelector(".verdict");
    expect(verdict?.querySelector("h2")?.textContent).toBe("No candidate passes");
    expect(verdict?.classList.contains("none")).toBe(true);
    expect(verdict?.querySelector(".tiles")).toBeNull();
  });

  it("shows an illustration's warning before anything else, and none otherwise", () => {
    const illustrated = renderReport({ ...full, illustration: "Five people" });
    const main = parse(illustrated).querySelector("main");
    expect(main?.textContent?.trim()).toMatch(/^Illustration only/);
    expect(main?.querySelector(".illustration p")?.textContent).toBe("Five people");
    expect(parse(illustrated).querySelector("title")?.textContent).toContain("illustration");
    expect(parse(page).querySelector(".illustration, .strip")).toBeNull();
  });

  it("warns of shared people, a questioned card, a missing proof and failed gates beside the verdict", () => {
    const bad: OptimizeReport = {
      ...full,
      data: { ...full.data, sharedSubjects: ["Person_Alder"] },
      graph: { ...full.graph, proof: { kind: "undecided", inputs: 2, why: "an operator is unknown" } },
      preprocessing: { says: "Swapped colours separate better", questioned: true, variants: [] },
      candidates: full.candidates.map((c) => ({ ...c, gates: [{ gate: "collapse", pass: false, says: "two directions left" }] })),
    };
    const said = parse(renderReport(bad)).querySelector(".cautions")?.textContent ?? "";
    for (const text of ["Person_Alder", "an operator is unknown", "Swapped colours separate better", "two directions left"])
      expect(said).toContain(text);
    expect(parse(renderReport({ ...full, model: { ...full.model, hazards: [] } })).querySelector(".cautions")).toBeNull();
  });

  it("lists every candidate with its Pareto mark and every figure of the sheet", () => {
    const document = parse(page);
    const rows = Array.from(document.querySelectorAll("#candidates table tbody")[0]?.querySelectorAll("tr") ?? []);
    expect(rows.map((r) => texts(r, "th")[0])).toEqual(full.candidates.map((c) => c.says));
    expect(rows.map((r) => (r.textContent ?? "").includes("● front"))).toEqual(
      full.candidates.map((c) => full.pareto.includes(c.id)),
    );
    const sheet = texts(document, ".sheet tbody tr");
    for (const start of [
      "Latency p99",
      "TAR at FAR 10⁻⁵",
      "Cosine of embeddings",
      "FAR realised at FP32’s threshold for 10⁻³",
      "Mean shift of impostor scores",
    ])
      expect(sheet.some((row) => row.startsWith(start))).toBe(true);
  });

  it("marks newly accepted impostors and names pairs by file only", () => {
    const document = parse(page);
    const alarms = Array.from(document.querySelectorAll("#flips tr.alarm"));
    const expected = full.candidates
      .find((c) => c.id === full.pick.id)
      ?.versus?.flips.flatMap((f) => f.examples.filter((e) => !e.genuine && e.accepted));
    expect(alarms.length).toBe(expected?.length);
    for (const row of alarms) expect(row.textContent).toContain("impostor let in");
    expect(document.querySelectorAll("img, image").length).toBe(0);
  });

  it("names the worst tensor first and counts integer kernels by operator", () => {
    const document = parse(page);
    const worst = [...(full.layers?.layers ?? [])].sort((a, b) => a.sqnrDb - b.sqnrDb)[0];
    expect(texts(document, "#layers tbody tr")[0]).toContain(worst?.tensor ?? "");
    const coverage = texts(document, "#runtime tbody tr").find((row) => row.startsWith("INT8 static, mse ranges"));
    expect(coverage).toContain("51/51");
    expect(coverage).toContain("12/12");
  });

  it("tells how the plan was found: on whom, what was taken and left and why, what each part costs", () => {
    const chapter = parse(page).querySelector("#search") as Node;
    const [first] = texts(chapter, ".lead");
    expect(first).toBe(
      "8 plans tried on 830 people who are in no other figure of this page, but for the table on everybody; each judged by what it loses at FAR 10⁻³, not by how near its numbers are.",
    );
    const badges = texts(chapter, ".badge");
    expect(badges.filter((b) => b === "taken")).toHaveLength(5);
    expect(badges.filter((b) => b === "left")).toHaveLength(3);
    const captions = texts(chapter, "caption");
    expect(captions).toContain("The 10 groups that cost most");
    const worst = Array.from(chapter.querySelectorAll("table")).find((t) => texts(t, "caption")[0] === captions.at(-3));
    expect(texts(worst, "tbody tr")[0]).toContain("1/blocks.0/conv");
    expect(texts(chapter, "tbody tr").at(-40)).toContain("float: flips 9 of 3,000 near-threshold pairs, costs 1 % time");
  });

  it("keeps figures on everybody in a table that says so", () => {
    const chapter = parse(page).querySelector("#whole-data") as Node;
    expect(texts(chapter, ".lead")[0]).toMatch(/^All people, those whom the search saw included\. 2,086 people/);
    expect(texts(chapter, "tbody tr")).toHaveLength(full.candidates.length);
  });

  it("marks the cohort that loses most, and gives no rate where too little is known", () => {
    const rows = Array.from(parse(page).querySelectorAll("#cohorts tbody tr"));
    expect(rows.map((r) => r.classList.contains("alarm"))).toEqual([true, false, false]);
    expect(texts(rows[2], "td").join(" ")).toContain("needs 2,988 more impostor comparisons");
    expect(texts(rows[2], "td").join(" ")).not.toMatch(/\d %/);
  });

  it("says of each pair of models what it means for templates, and what an adapter reaches", () => {
    const chapter = parse(page).querySelector("#templates") as Node;
    const verdicts = texts(chapter, ".badge");
    for (const word of ["templates stay", "re-fit threshold", "adapter suffices", "re-enrol", "suffices"])
      expect(verdicts).toContain(word);
  });

  it("tells which change would help, and what it was measured to bring", () => {
    const chapter = parse(page).querySelector("#layers") as Node;
    expect(texts(chapter, "tbody tr").join(" ")).toContain("22.2 to 23.1 dB");
    expect(texts(chapter, "tbody tr").join(" ")).toContain("not tried");
  });
});

describe("a report with little in it", () => {
  it("never shows a number where there is too little data", () => {
    const text = renderReport(exampleReport({ genuine: 60, impostor: 900 }));
    const document = parse(text);
    expect(texts(document, ".sheet tbody tr").find((row) => row.startsWith("TAR at FAR 10⁻³"))).toBe(
      `TAR at FAR 10⁻³${"needs 2,100 more comparisons".repeat(full.candidates.length)}`,
    );
    expect(document.querySelector("#accuracy svg#difference, #difference-t")).toBeNull();
    expect(document.querySelector(".verdict .tiles")?.textContent).toContain("needs 2,100 more comparisons");
    expect(unbalanced(text)).toBeUndefined();
  });

  it("says that there is no DET curve when nobody is turned away", () => {
    const perfect = full.candidates.map((c) => ({
      ...c,
      curves: { ...c.curves, det: c.curves.det.map((p) => ({ ...p, fnmr: 0 })) },
    }));
    const document = parse(renderReport({ ...full, candidates: perfect }));
    expect(document.querySelector("#det-t, #det-lens-t")).toBeNull();
    expect(document.querySelector("#accuracy")?.textContent).toContain("there is no curve to draw");
  });

  it("works without any optional part, with one candidate and no pick", () => {
    const text = renderReport(emptyExampleReport());
    expect(unbalanced(text)).toBeUndefined();
    expect(texts(parse(text), ".chapter > h2")).toEqual([
      "Candidates",
      "Operating points",
      "The graph before and after",
      "Data and evidence",
      "Model, machine and versions",
    ]);
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  });

  it("works without candidates and with each optional part missing on its own", () => {
    const { matrix: _m, ...noMatrix } = full;
    const { layers: _l, ...noLayers } = full;
    const { preprocessing: _p, ...noPreprocessing } = full;
    for (const report of [
      noMatrix,
      noLayers,
      noPreprocessing,
      { ...full, candidates: [], pareto: [] },
      { ...full, candidates: full.candidates.slice(0, 1) },
      { ...full, candidates: full.candidates.map(({ versus: _v, fusion: _f, ...c }) => c) },
      { ...full, pick: { ...full.pick, id: "fp32" } },
    ]) {
      const text = renderReport(report);
      expect(unbalanced(text)).toBeUndefined();
      expect(text).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});

describe("names from outside", () => {
  it("stay text wherever they stand", () => {
    const hostile = `"'><script>alert(1)</script><img src=x onerror=alert(1)>&amp;\u202e</title></style></svg>`;
    const text = renderReport(withTexts(full, () => hostile));
    expectHarmless(text);
    expect(unbalanced(text)).toBeUndefined();
    expect(parse(text).querySelector(".sub strong")?.textContent).toBe(hostile.replace("\u202e", "\ufffd"));
  });

  it("change nothing of the page's structure, whatever they are", () => {
    const small = { ...emptyExampleReport(), artefacts: full.artefacts.slice(0, 2), next: ["x"], pick: full.pick };
    const skeleton = (text: string): string => Array.from(parse(text).querySelectorAll("*"), (e) => e.tagName).join(" ");
    const expected = skeleton(renderReport(withTexts(small, () => "name")));
    const piece = fc.constantFrom(
      "<",
      ">",
      '"',
      "'",
      "&",
      "</div>",
      "<b>",
      "--",
      "\n",
      "\u0000",
      "name",
      " ",
      "=",
      "/",
      "é",
      "😀",
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
        const text = renderReport(withTexts(small, () => pieces.join("")));
        expect(skeleton(text)).toBe(expected);
      }),
      { numRuns: 30 },
    );
  });
});

describe("a report for a device that is not this machine", () => {
  const first = full.candidates[0] ?? expect.fail("a candidate");
  const report: OptimizeReport = {
    ...full,
    target: { ...full.target, id: "rpi4" },
    model: { ...full.model, format: "tflite", opset: 0 },
    candidates: full.candidates.map((c) =>
      c.fusion === undefined
        ? c
        : {
            ...c,
            fusion: {
              ...c.fusion,
              delegation: { delegated: 97, total: 98, fallback: [{ op: "PRELU", count: 1 }], runtime: "tfjs-tflite 0.0.1" },
            },
          },
    ),
    basis: {
      measured: "Everything was measured on a desk",
      deviceIsElsewhere: true,
      predicted: [{ says: "One face takes at least 39 ms", from: "234 M multiply-accumulates" }],
      unknown: ["The latency on rpi4"],
    },
    elsewhere: [
      { says: "FP32 as ONNX", runtime: "ort-node 1.30.0", cosineMean: 0.99999991, cosineMin: 0.9999998, latency: first.latency },
    ],
    skipped: [{ says: "INT16x8 static", why: "no kernel for PRelu" }],
    companions: [
      { target: "ort-x64", page: "onnx/report.html", says: "INT8 as .onnx" },
      { target: "elsewhere", page: "javascript:alert(1)", says: "no link" },
    ],
  };
  const document = parse(renderReport(report));
  const basis = document.querySelector("#basis") ?? expect.fail("a chapter on what the figures rest on");

  it("says before all figures that nothing was measured there", () => {
    expect(texts(document, ".cautions li").join()).toContain("Nothing here was measured on rpi4");
    expect(texts(document, ".meta").join()).toContain("tflite");
    expect(texts(document, ".meta").join()).not.toContain("opset");
  });

  it("keeps what was measured apart from what is expected", () => {
    const rows = texts(basis, "tbody tr");
    expect(rows.filter((r) => r.startsWith("measured"))).toHaveLength(1);
    expect(rows.find((r) => r.includes("at least 39 ms"))).toMatch(/^expected of rpi4, not measured/);
    expect(rows.find((r) => r.includes("The latency on rpi4"))).toMatch(/^not known/);
    // What is expected stands in this chapter and in no other.
    for (const chapter of document.querySelectorAll("section.chapter"))
      if (chapter.id !== "basis") expect(chapter.textContent).not.toContain("at least 39 ms");
  });

  it("shows other runtimes, what was not built, what is delegated, and links neighbours only", () => {
    expect(basis.textContent).toContain("ort-node 1.30.0");
    expect(basis.textContent).toContain("no kernel for PRelu");
    expect(document.querySelector("#runtime")?.textContent).toContain("1 PRELU");
    expect(Array.from(basis.querySelectorAll("a"), (a) => a.getAttribute("href"))).toEqual(["onnx/report.html"]);
    expect(unbalanced(renderReport(report))).toBeUndefined();
  });

  it("says nothing of it where there is nothing to say", () => {
    expect(parse(page).querySelector("#basis")).toBeNull();
  });
});
