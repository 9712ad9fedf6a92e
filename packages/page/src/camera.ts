import { mediaProblem, ProblemError } from "./problem.ts";

/** The whole frame is sent, this wide at most: a face that fills a third of it still has eyes 60 pixels apart. */
export const FRAME_MAX_PIXELS = 960;

const JPEG_QUALITY = 0.9;

/** `resizeMode` (W3C Media Capture and Streams, not yet in TypeScript's library): a camera of another shape shall not be cut to this one. */
const WANTED: MediaTrackConstraints & { readonly resizeMode: "none" } = {
  facingMode: "user",
  width: { ideal: 640 },
  height: { ideal: 480 },
  frameRate: { ideal: 30, max: 30 },
  resizeMode: "none",
};

/** An open camera. */
export interface Camera {
  /** The frame on show, whole and not mirrored, as JPEG; undefined before the first frame. */
  frame(): Promise<Blob | undefined>;
  close(): void;
}

/**
 * Opens the camera that looks at the person and shows it in `video`; `onLost` is told when it is unplugged or taken away.
 * @throws ProblemError camera-* or insecure
 */
export async function openCamera(video: HTMLVideoElement, onLost: () => void): Promise<Camera> {
  const stream = await getMedia("camera", {
    video: WANTED,
  });
  for (const track of stream.getTracks()) track.addEventListener("ended", onLost);
  const close = (): void => {
    for (const track of stream.getTracks()) track.stop();
    if (video.srcObject === stream) video.srcObject = null;
  };
  video.srcObject = stream;
  try {
    await video.play();
  } catch (cause) {
    close();
    throw new ProblemError({ kind: "camera-busy" }, { cause });
  }
  const canvas = document.createElement("canvas");
  return {
    frame: async () => (video.videoWidth === 0 ? undefined : jpegOf(video, [video.videoWidth, video.videoHeight], canvas)),
    close,
  };
}

/** `getUserMedia` with its failures told apart. @throws ProblemError DEVICE-denied, -missing, -busy, insecure */
export async function getMedia(device: "camera" | "microphone", constraints: MediaStreamConstraints): Promise<MediaStream> {
  // Browsers hide mediaDevices altogether on pages that came over plain http from another machine.
  if (!window.isSecureContext || navigator.mediaDevices === undefined) throw new ProblemError({ kind: "insecure" });
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (cause) {
    throw new ProblemError(mediaProblem(device, cause), { cause });
  }
}

/** A picture source drawn at most {@link FRAME_MAX_PIXELS} wide and high, as JPEG. */
export async function jpegOf(
  source: CanvasImageSource,
  [width, height]: readonly [number, number],
  canvas = document.createElement("canvas"),
): Promise<Blob> {
  const scale = Math.min(1, FRAME_MAX_PIXELS / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d", { alpha: false })?.drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob === null ? reject(new ProblemError({ kind: "file-unreadable" })) : resolve(blob)),
      "image/jpeg",
      JPEG_QUALITY,
    );
  });
}
