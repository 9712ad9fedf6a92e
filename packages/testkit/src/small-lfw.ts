import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** How much of LFW is taken. */
export interface SmallLfwOptions {
  /** People with two pictures or more, of whom up to three each are taken. */
  readonly people: number;
  /** Calibration pictures, all of other people. */
  readonly calibration: number;
}

/** A small part of LFW as a data folder: `manifest.csv`, `pairs.csv` of the pairs among them, and a link to the pictures. */
export function smallLfw(folder: string, lfw: string, options: SmallLfwOptions): void {
  const lines = (name: string) => readFileSync(join(lfw, name), "utf8").trim().split("\n");
  const [header = "", ...rows] = lines("manifest.csv");
  const column = header.split(",").indexOf("role");
  const pictures = new Map<string, string[]>();
  const calibration: string[] = [];
  for (const row of rows) {
    const cells = row.split(",");
    if (cells[column] === "calib") calibration.push(row);
    else pictures.set(cells[1] ?? "", [...(pictures.get(cells[1] ?? "") ?? []), row]);
  }
  const chosen = [...pictures.values()]
    .filter((list) => list.length > 1)
    .slice(0, options.people)
    .flatMap((list) => list.slice(0, 3));
  const paths = new Set(chosen.map((row) => row.split(",")[0]));
  const [pairHeader = "", ...pairs] = lines("pairs.csv");
  const kept = pairs.filter((pair) =>
    pair
      .split(",")
      .slice(1, 3)
      .every((path) => paths.has(path)),
  );
  mkdirSync(folder, { recursive: true });
  symlinkSync(join(lfw, "images"), join(folder, "images"));
  writeFileSync(
    join(folder, "manifest.csv"),
    `${[header, ...chosen, ...calibration.slice(0, options.calibration)].join("\n")}\n`,
  );
  writeFileSync(join(folder, "pairs.csv"), `${[pairHeader, ...kept].join("\n")}\n`);
}
