/**
 * Most scans of a JPEG that is decoded. Encoders make about ten. A scan of no detail has a few bytes, but costs a pass over the whole picture: a legal
 * file of 130 kB keeps a processor busy for many seconds.
 */
export const MAX_JPEG_SCANS = 32;

/** How many scans a JPEG has up to its end (ITU-T T.81, B.1.1 and B.2): what lies inside of other segments or behind the end is none. */
export function jpegScans(bytes: Uint8Array): number {
  let scans = 0;
  for (let at = bytes.indexOf(0xff, 2); at >= 0; at = bytes.indexOf(0xff, at)) {
    const marker = bytes[at + 1];
    if (marker === undefined || marker === 0xd9) break;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    // Stuffed zeros, restarts and what decoders skip have no length; everything else has.
    const bare = marker < 0xc0 || (marker >= 0xd0 && marker <= 0xd8);
    if (marker === 0xda) scans++;
    at += bare ? 2 : 2 + (((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
  }
  return scans;
}
