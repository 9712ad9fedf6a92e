/**
 * Runs on the audio thread: gathers the 128-sample quanta of the microphone into blocks and posts them. The scope of a worklet is not in the DOM
 * library of TypeScript, so what is used of it is declared here.
 */
declare const registerProcessor: (name: string, processor: new () => WorkletProcessor) => void;
declare const AudioWorkletProcessor: new () => { readonly port: MessagePort };
declare const sampleRate: number;

interface WorkletProcessor {
  process(inputs: readonly (readonly Float32Array[])[]): boolean;
}

/** About 64 ms: 16 blocks a second move the meter smoothly and cost next to nothing. */
const BLOCK_SAMPLES = 128 * Math.max(1, Math.round((0.064 * sampleRate) / 128));

class Recorder extends AudioWorkletProcessor implements WorkletProcessor {
  #block = new Float32Array(BLOCK_SAMPLES);
  #filled = 0;

  process(inputs: readonly (readonly Float32Array[])[]): boolean {
    const samples = inputs[0]?.[0];
    if (samples === undefined) return true;
    this.#block.set(samples, this.#filled);
    this.#filled += samples.length;
    if (this.#filled === BLOCK_SAMPLES) {
      this.port.postMessage(this.#block, [this.#block.buffer]);
      this.#block = new Float32Array(BLOCK_SAMPLES);
      this.#filled = 0;
    }
    return true;
  }
}

registerProcessor("tessera-recorder", Recorder);

export type { WorkletProcessor };
