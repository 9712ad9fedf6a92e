/** A face of the demo: where it is in which picture, and whose it is. Letters, not names: nobody needs to know who they are. */
export interface LabelledFace {
  /** Path in its package. */
  readonly picture: string;
  /** Centre of the face, pixels. */
  readonly x: number;
  readonly y: number;
  /** Side of the square about the centre that is looked at, pixels; absent: the whole picture. */
  readonly window?: number;
  readonly person: string;
  readonly role: "calib" | "eval";
}

/**
 * Faces of the group photographs by picture: centres, and the person. Left out are five faces of three people (A, B, C) who are also in the
 * grid, so that nobody is in calibration and evaluation.
 */
const PHOTO_FACES: readonly (readonly [picture: string, x: number, y: number, person: string])[] = [
  ["demo/sample1.jpg", 505, 475, "c01"],
  ["demo/sample2.jpg", 448, 269, "c02"],
  ["demo/sample2.jpg", 972, 343, "c03"],
  ["demo/sample2.jpg", 1543, 278, "c04"],
  ["demo/sample3.jpg", 688, 467, "c05"],
  ["demo/sample3.jpg", 1594, 434, "c06"],
  ["demo/sample4.jpg", 755, 188, "c07"],
  ["demo/sample4.jpg", 1077, 304, "c08"],
  ["demo/sample4.jpg", 1345, 273, "c09"],
  ["demo/sample5.jpg", 463, 1027, "c10"],
  ["demo/sample5.jpg", 688, 544, "c11"],
  ["demo/sample5.jpg", 874, 221, "c12"],
  ["demo/sample5.jpg", 1197, 318, "c13"],
  ["demo/sample6.jpg", 359, 620, "c14"],
  ["demo/sample6.jpg", 757, 479, "c15"],
  ["demo/sample6.jpg", 1262, 447, "c07"],
  ["demo/sample6.jpg", 1590, 409, "c16"],
];

/** The grid: 18 columns and 6 rows of faces, in pixels of the picture. */
const GRID = {
  picture: "assets/screenshot-facematch.jpg",
  columns: 18,
  pitchX: 106.67,
  pitchY: 112.2,
  x: 53,
  y: 337,
  window: 106,
};

/**
 * Cells of the grid (row by row from 0) that show the same person, told by eye and confirmed by the network's own scores; and people seen once.
 * Cells of calibration people, without a detectable face, and of which neither eye nor score was sure are not listed, which flatters the
 * figures: one more reason why they are an illustration.
 */
const GRID_PEOPLE: Readonly<Record<string, readonly number[]>> = {
  A: [35, 37, 74, 88, 105],
  B: [71, 77, 86],
  C: [53, 73],
  D: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18],
  E: [56, 76, 91, 97],
  F: [72, 93, 102],
  G: [41, 42, 48],
  H: [30, 50],
  I: [84, 99],
  J: [98, 103],
};
const GRID_SINGLES: readonly number[] = [23, 24, 32, 39, 43, 47, 55, 58, 62, 64, 65, 69, 80, 83, 85, 95, 96];

function cell(index: number, person: string): LabelledFace {
  return {
    picture: GRID.picture,
    x: Math.min(1920 - GRID.window / 2, Math.round(GRID.x + (index % GRID.columns) * GRID.pitchX)),
    y: Math.round(GRID.y + Math.floor(index / GRID.columns) * GRID.pitchY),
    window: GRID.window,
    person,
    role: "eval",
  };
}

/** All faces of the demo: first those for calibration, then those for evaluation. */
export const DEMO_FACES: readonly LabelledFace[] = [
  ...PHOTO_FACES.map(([picture, x, y, person]): LabelledFace => ({ picture, x, y, person, role: "calib" })),
  ...Object.entries(GRID_PEOPLE).flatMap(([person, cells]) => cells.map((index) => cell(index, person))),
  ...GRID_SINGLES.map((index) => cell(index, `s${index}`)),
];
