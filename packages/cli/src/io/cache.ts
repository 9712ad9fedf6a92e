import { homedir } from "node:os";
import { join } from "node:path";

/** Where downloads and aligned faces are kept between runs: TESSERA_CACHE, else the user's cache folder. */
export function cacheDir(...parts: readonly string[]): string {
  const { TESSERA_CACHE: own, XDG_CACHE_HOME: xdg } = process.env;
  const base =
    own !== undefined && own !== "" ? own : join(xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".cache"), "tessera");
  return join(base, ...parts);
}
