/** A runtime that tests ask whether it takes a `.tflite` file, and what the file computes. */
export interface TfliteRunner {
  /**
   * Runs the first signature once. `fill` gives the bytes of each input; the result has the bytes of each output. An error of the runtime
   * is thrown as it is.
   */
  readonly run: (file: Uint8Array, fill: InputFill) => Promise<readonly Uint8Array[]>;
}

/** Gives the bytes of an input, exactly `sizeBytes` of them. */
export type InputFill = (input: number, sizeBytes: number) => Uint8Array;
