import { readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join } from "node:path";

/** Types of the files that a page may be made of; no other file is served. */
export const PAGE_TYPES: Readonly<Record<string, string | undefined>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".woff2": "font/woff2",
};

/**
 * What a page may load and do: its own files and its own gateway, the camera's picture, nothing inline. Browsers take 'self' for the WebSocket of the
 * same host too (CSP level 3, 6.7.2.8).
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy":
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: mediastream:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cache-Control": "no-cache",
};

/**
 * The files of the page by their address: those of `static` and `dist` under `/page/`, its index at `/`. Requests are looked up in this table and
 * nowhere else, so that no address leads out of the folders.
 */
export function pageFiles(folder = pageFolder()): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const part of ["dist", "static"]) {
    for (const path of filesOf(join(folder, part), "")) {
      if (PAGE_TYPES[extname(path)] === undefined) continue;
      files.set(`/page/${path}`, join(folder, part, path));
    }
  }
  const index = files.get("/page/index.html");
  if (index !== undefined) files.set("/", index);
  return files;
}

function pageFolder(): string {
  return dirname(createRequire(import.meta.url).resolve("@tessera/page/package.json"));
}

function filesOf(root: string, under: string): readonly string[] {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  return readdirSync(join(root, under), { withFileTypes: true }).flatMap((entry) => {
    const path = under === "" ? entry.name : `${under}/${entry.name}`;
    if (entry.isDirectory()) return filesOf(root, path);
    return entry.isFile() ? [path] : [];
  });
}
