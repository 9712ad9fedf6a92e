import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { GUIDANCE, MODALITIES, OUTCOMES, PHRASES, PROBLEMS, SENTENCES, say } from "./sentences.ts";

const html = readFileSync(new URL("../static/index.html", import.meta.url), "utf8");
const sources = readdirSync(new URL(".", import.meta.url))
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts") && name !== "sentences.ts")
  .map((name) => readFileSync(new URL(name, import.meta.url), "utf8"))
  .join("\n");
const inPage = [...html.matchAll(/data-say(?:-label)?="(\w+)"/g)].map((match) => match[1] as string);

describe("the table of sentences", () => {
  it("fills in values, and leaves what has none to be seen", () => {
    expect(say("accepted", { subject: "$& <b>" })).toBe("Welcome, $& <b>");
    expect(say("accepted")).toBe("Welcome, {subject}");
    expect(say("accepted", { toString: "x" })).toBe("Welcome, {subject}");
  });

  it("has every sentence that the static page names, and none that nobody says", () => {
    for (const key of inPage) expect(Object.keys(SENTENCES)).toContain(key);
    for (const key of Object.keys(SENTENCES)) {
      expect(inPage.includes(key) || new RegExp(`"${key}"`).test(sources), `nobody says "${key}"`).toBe(true);
    }
  });

  it("holds all the words of the static page, but for its name and the note for browsers without scripts", () => {
    const words = html
      .replace(/<head>[\s\S]*?<\/head>/, "")
      .replace(/<noscript>[\s\S]*?<\/noscript>/, "")
      .replace(/<[^>]*>/g, " ");
    expect(words.trim().replace(/\s+/g, "")).toBe("");
  });

  it("says nothing empty and nothing twice as guidance", () => {
    const all = [...Object.values(GUIDANCE), ...Object.values(MODALITIES), ...Object.values(OUTCOMES), ...PHRASES];
    for (const text of [...all, ...Object.values(SENTENCES)]) expect(text.trim()).not.toBe("");
    expect(new Set(Object.values(GUIDANCE)).size).toBe(Object.keys(GUIDANCE).length);
    expect(new Set(Object.values(PROBLEMS).map(({ title }) => title)).size).toBe(Object.keys(PROBLEMS).length);
  });
});

describe("the static page", () => {
  it("holds no script, style or handler of its own, and nothing from elsewhere: the policy would refuse it", () => {
    expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|javascript:/i);
    expect([...html.matchAll(/<script([^>]*)>([\s\S]*?)<\/script>/g)].map((m) => [m[1]?.trim(), m[2]])).toEqual([
      ['type="module" src="page/main.js"', ""],
    ]);
    for (const match of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(match[1]).toMatch(/^#\w*$|^page\/[\w-]+\.(js|css|svg)$/);
  });

  it("has each id once, and a label for each field", () => {
    const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map((match) => match[1] as string);
    expect(new Set(ids).size).toBe(ids.length);
    for (const match of html.matchAll(/\b(?:for|aria-labelledby|aria-controls|aria-describedby)="([^"]+)"/g)) {
      for (const id of (match[1] as string).split(" ")) expect(ids).toContain(id);
    }
    for (const match of sources.matchAll(/byId(?:<\w+>)?\("([^"]+)"\)/g)) expect(ids).toContain(match[1]);
  });
});
