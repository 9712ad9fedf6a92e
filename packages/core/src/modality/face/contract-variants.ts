import type { PixelContract } from "../../signal/pixels.ts";

/** A pre-processing to try, and what one would call it. */
export interface ContractVariant {
  readonly name: string;
  readonly pixels: PixelContract;
}

type Scaling = Pick<PixelContract, "scale" | "mean" | "std">;

const three = (v: number): readonly number[] => [v, v, v];

/** The scalings that face models are trained behind, and that people confuse. */
const SCALINGS: readonly { readonly name: string; readonly scaling: Scaling }[] = [
  { name: "(x - 127.5) / 128", scaling: { scale: 1, mean: three(127.5), std: three(128) } },
  { name: "(x - 127.5) / 127.5", scaling: { scale: 1, mean: three(127.5), std: three(127.5) } },
  { name: "x / 255", scaling: { scale: 255, mean: three(0), std: three(1) } },
  { name: "0..255", scaling: { scale: 1, mean: three(0), std: three(1) } },
  { name: "ImageNet mean and std", scaling: { scale: 255, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } },
];

/**
 * The usual mistakes: the declared scaling and each of the common ones, with the declared and with the other colour order; those that feed
 * the very same numbers as the declared contract are left out. Mean and std stay in the order of the tensor, as they would in the mistake.
 * Grey contracts have no colour order to mistake and only scalings of one channel.
 */
export function contractVariants(declared: PixelContract): readonly ContractVariant[] {
  const channels = declared.colour === "GREY" ? 1 : 3;
  const other: PixelContract["colour"] | undefined = channels === 1 ? undefined : declared.colour === "RGB" ? "BGR" : "RGB";
  const found: ContractVariant[] = [];
  const add = (name: string, pixels: PixelContract): void => {
    if (!samePixels(pixels, declared) && found.every((variant) => !samePixels(pixels, variant.pixels)))
      found.push({ name, pixels });
  };
  if (other) add(`declared scaling, ${other}`, { ...declared, colour: other });
  for (const colour of other ? [declared.colour, other] : [declared.colour]) {
    for (const { name, scaling } of SCALINGS) {
      const cut = { ...scaling, mean: scaling.mean.slice(0, channels), std: scaling.std.slice(0, channels) };
      add(`${name}, ${colour}`, { ...declared, ...cut, colour });
    }
  }
  return found;
}

/** Whether two contracts turn every sample into the same number: value = gain * x + shift is compared, to a millionth. */
export function samePixels(a: PixelContract, b: PixelContract): boolean {
  if (a.colour !== b.colour || a.layout !== b.layout) return false;
  return a.mean.every((_, c) => {
    const [ga, sa] = lineOf(a, c);
    const [gb, sb] = lineOf(b, c);
    return Math.abs(ga - gb) <= 1e-6 * Math.abs(ga) && Math.abs(sa - sb) <= 1e-6 * (1 + Math.abs(sa));
  });
}

function lineOf(contract: PixelContract, channel: number): readonly [gain: number, shift: number] {
  const std = contract.std[channel] ?? Number.NaN;
  return [1 / contract.scale / std, -(contract.mean[channel] ?? Number.NaN) / std];
}
