import { join } from "node:path";
import { at } from "@tessera/core/base/assert";
import { fail } from "@tessera/core/base/error";
import type { Runtime } from "@tessera/core/graph/runtime";
import { ARCFACE_112, alignFace } from "@tessera/core/modality/face/align";
import type { Face } from "@tessera/core/modality/face/boxes";
import { detectFaces } from "@tessera/core/modality/face/detect";
import { landmarksOf } from "@tessera/core/modality/face/landmarks68";
import { crop } from "@tessera/core/signal/crop";
import { type Image, toRgb } from "@tessera/core/signal/image";
import type { Point } from "@tessera/core/signal/warp";
import { encodePng, readImage } from "@tessera/media/images";
import { readBytes, writeFile } from "../io/files.ts";
import type { Progress } from "../ui/progress.ts";
import { DEMO_FACES, type LabelledFace } from "./demo-labels.ts";
import { DETECTOR_CARD } from "./demo-models.ts";

/** A way to look at a calibration face again: mirrored or not, lighter or darker, a little larger and aside. */
export interface CalibrationView {
  readonly mirrored: boolean;
  /** Factor on every sample. */
  readonly light: number;
  /** Factor on the size about the middle of the crop. */
  readonly zoom: number;
  /** To the right, pixels. */
  readonly shift: number;
}

const PLAIN: CalibrationView = { mirrored: false, light: 1, zoom: 1, shift: 0 };

/** Six views of every calibration face: a handful of faces would leave ranges to chance. Evaluation faces are never changed. */
export const CALIBRATION_VIEWS: readonly CalibrationView[] = [false, true].flatMap((mirrored) => [
  { ...PLAIN, mirrored },
  { ...PLAIN, mirrored, light: 0.7 },
  { mirrored, light: 1.35, zoom: 1.08, shift: 4 },
]);

/** Side of an aligned face, pixels. */
const SIDE = 112;

/** What the demo's faces are got with and from. */
export interface DemoDataTools {
  readonly runtime: Runtime;
  /** Paths on disk of detector and landmark network. */
  readonly detector: string;
  readonly landmarks: string;
  /** Paths on disk of pictures, by their path in the package. */
  readonly pictures: ReadonlyMap<string, string>;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/**
 * Finds every labelled face, aligns it and writes a data folder as `optimize` reads it: `manifest.csv` (path, subject, role) and crops of
 * 112 x 112 as PNG. @throws FACE_NOT_FOUND when a labelled face is not found, IO
 */
export async function writeDemoData(folder: string, tools: DemoDataTools): Promise<void> {
  const { runtime, pictures, progress, signal } = tools;
  const detector = { session: await runtime.load(readBytes(tools.detector), { threads: 1 }), card: DETECTOR_CARD };
  const session = await runtime.load(readBytes(tools.landmarks), { threads: 1 });
  const rows = ["path,subject,role"];
  try {
    progress.stage("finding and aligning faces", DEMO_FACES.length);
    let seen: { readonly picture: string; readonly image: Image; readonly faces?: readonly Face[] } | undefined;
    for (const [i, label] of DEMO_FACES.entries()) {
      signal.throwIfAborted();
      if (seen?.picture !== label.picture) {
        const image = toRgb(await readImage(pictures.get(label.picture) ?? label.picture));
        seen = {
          picture: label.picture,
          image,
          ...(label.window === undefined && { faces: await detectFaces(detector, image) }),
        };
      }
      const image = label.window === undefined ? seen.image : windowOf(seen.image, label, label.window);
      const face = faceAt(label, seen.faces ?? (await detectFaces(detector, image)), label.window);
      const net = { session, input: "input", output: "output", side: 64 };
      const points = await landmarksOf(net, image, face);
      for (const [v, view] of (label.role === "calib" ? CALIBRATION_VIEWS : [PLAIN]).entries()) {
        const name = `crops/${String(i).padStart(3, "0")}${label.role === "calib" ? `-${v}` : ""}.png`;
        writeFile(join(folder, name), await encodePng(alignedView(image, points, view)));
        rows.push(`${name},${label.person},${label.role}`);
      }
      progress.at(i + 1);
    }
  } finally {
    await detector.session.close();
    await session.close();
  }
  writeFile(join(folder, "manifest.csv"), `${rows.join("\n")}\n`);
}

function windowOf(image: Image, { x, y }: LabelledFace, side: number): Image {
  return crop(image, { x: Math.round(x - side / 2), y: Math.round(y - side / 2), width: side, height: side });
}

/** The detected face that a label means: the largest one of a window, else the one about the labelled point. */
function faceAt(label: LabelledFace, faces: readonly Face[], window: number | undefined): Face {
  const [face] = faces
    .filter(
      (f) =>
        window !== undefined ||
        (Math.abs(f.x + f.width / 2 - label.x) < f.width / 2 && Math.abs(f.y + f.height / 2 - label.y) < f.height / 2),
    )
    .sort((a, b) => b.width * b.height - a.width * a.height);
  if (face === undefined)
    throw fail(
      "FACE_NOT_FOUND",
      `Cannot find the face at ${label.x}, ${label.y} of ${label.picture}: the detector sees none there`,
      {
        hint: "This is a fault of the demo, whose pictures are pinned; please report it with the processor's name",
      },
    );
  return face;
}

/** An aligned face in one of its views. Size and place change in the alignment itself, so nothing is sampled twice. */
export function alignedView(image: Image, points: readonly Point[], view: CalibrationView): Image {
  const middle = SIDE / 2;
  const template = ARCFACE_112.map((p) => ({
    x: middle + (p.x - middle) * view.zoom + view.shift,
    y: middle + (p.y - middle) * view.zoom,
  }));
  const aligned = alignFace(image, points, { template, width: SIDE, height: SIDE });
  const data = new Uint8Array(aligned.data.length);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const from = (y * SIDE + (view.mirrored ? SIDE - 1 - x : x)) * 3;
      const to = (y * SIDE + x) * 3;
      for (let c = 0; c < 3; c++) data[to + c] = Math.min(255, Math.round(at(aligned.data, from + c) * view.light));
    }
  }
  return { ...aligned, data };
}
