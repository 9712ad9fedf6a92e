"""What other programs compute from sound, for packages/core/src/signal to be compared with.

    python3 -m venv ~/.cache/tessera-peers-audio
    ~/.cache/tessera-peers-audio/bin/pip install -r bench/peers/requirements-audio.txt
    ~/.cache/tessera-peers-audio/bin/python bench/peers/audio_features.py [--torchaudio]
    npx biome check --write packages/core/src/signal/reference-features.json

Writes packages/core/src/signal/reference-features.json: the settings of each case in our own words, and some frames of what the peer gave. The
signal is made of integers that the test makes again. `--torchaudio` also compares torchaudio itself (which brings PyTorch) with the case
"torchaudio" that librosa writes with torchaudio's options, and prints the largest difference.
"""

import json
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import kaldi_native_fbank as knf
import librosa
import numpy as np
import python_speech_features as psf
import soxr

RATE = 16000
OUT = Path(__file__).resolve().parents[2] / "packages/core/src/signal/reference-features.json"
MICRO = "pymicro-features==2.0.2"


def signal(length, rate):
    """16-bit integers: two tones, one of them growing, and noise of a linear congruential generator; see reference-signal of the test."""
    i = np.arange(length)
    tones = 5000 * np.sin(2 * np.pi * 437 * i / rate) + 6000 * (i / length) * np.sin(2 * np.pi * 2111 * i / rate)
    seed, noise = 1, np.zeros(length)
    for k in range(length):
        seed = (seed * 1664525 + 1013904223) % 2**32
        noise[k] = seed // 2**19 - 4096
    return np.round(tones) + noise


def tone_mix(length, rate):
    """Float tones below 3 kHz: what every resampler must keep."""
    i = np.arange(length)
    return sum(a * np.sin(2 * np.pi * f * i / rate + p) for a, f, p in [(0.4, 220, 0.1), (0.3, 1234.5, 1.2), (0.2, 2950, 2.3)])


def spectrum(**changes):
    base = {
        "frame": 400, "hop": 160, "fft": 512, "window": "hann", "edges": "snip", "gain": 1, "removeMean": False,
        "preEmphasis": {"coefficient": 0, "over": "frame"}, "power": 2, "spectrumGain": 1,
    }
    return {**base, **changes}


def mel(bands, low, high, scale, sides, norm):
    return {"bands": bands, "lowHz": low, "highHz": high, "scale": scale, "sides": sides, "norm": norm}


def front_end(spectrum, mel, log, cepstrum=None):
    settings = {"kind": "spectral", "rateHz": RATE, "spectrum": spectrum, "mel": mel, "log": log}
    return {**settings, "cepstrum": cepstrum} if cepstrum else settings


KALDI = spectrum(window="povey", gain=32768, removeMean=True, preEmphasis={"coefficient": 0.97, "over": "frame"})
KALDI_LOG = {"kind": "ln", "floor": float(np.finfo(np.float32).eps), "how": "max"}


def kaldi(x, options, extractor):
    options.frame_opts.dither = 0
    options.mel_opts.high_freq = 0
    options.mel_opts.low_freq = 20
    computer = extractor(options)
    computer.accept_waveform(RATE, x.tolist())
    computer.input_finished()
    return np.array([computer.get_frame(k) for k in range(computer.num_frames_ready)])


def kaldi_fbank(x):
    options = knf.FbankOptions()
    options.mel_opts.num_bins = 40
    return kaldi(x, options, knf.OnlineFbank)


def kaldi_mfcc(x):
    options = knf.MfccOptions()
    options.mel_opts.num_bins = 23
    return kaldi(x, options, knf.OnlineMfcc)


def micro(x):
    """The front end with 30 ms frames every 20 ms and without gain control: the package has 10 ms and gain control built in."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", folder, MICRO]
        subprocess.run(pip, check=True)
        (archive,) = root.glob("*.tar.gz")
        subprocess.run(["tar", "xzf", archive, "-C", folder, "--strip-components", "1"], check=True)
        source = root / "src/micro_features.cpp"
        text = source.read_text()
        text, steps = re.subn(r"FEATURES_STEP_SIZE = 10;", "FEATURES_STEP_SIZE = 20;", text)
        text, gains = re.subn(r"enable_pcan = 1;", "enable_pcan = 0;", text)
        assert steps == 1 and gains == 1, "the source of pymicro-features is not the one that was read"
        source.write_text(text)
        subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--inplace"], cwd=folder, check=True)
        sys.path.insert(0, folder)
        import micro_features_cpp as lib

        handle = lib.create_frontend()
        bytes_ = x.astype("<i2").tobytes()
        rows, at = [], 0
        while at + 640 <= len(bytes_):
            values, read = lib.process_samples(handle, bytes_[at : at + 640])
            at += read * 2
            if len(values):
                rows.append(values)
        # The package multiplies by 10 / 256.
        return np.round(np.array(rows) * 25.6)


def cases(ints):
    """Name, who computed, settings, frames x numbers."""
    x = ints / 32768
    yield "kaldi-fbank", "kaldi_native_fbank", front_end(KALDI, mel(40, 20, 8000, "htk", "mel", "none"), KALDI_LOG), kaldi_fbank(ints)
    yield (
        "kaldi-mfcc", "kaldi_native_fbank",
        front_end(KALDI, mel(23, 20, 8000, "htk", "mel", "none"), KALDI_LOG,
                  {"count": 13, "lifter": {"length": 22, "first": 0}, "zeroth": "frame-energy"}),
        kaldi_mfcc(ints),
    )
    eps = float(np.finfo(float).eps)
    htk = spectrum(window="hamming-symmetric", edges="pad-end", gain=32768, preEmphasis={"coefficient": 0.97, "over": "sound"}, spectrumGain=1 / 512)
    bins = mel(26, 0, 8000, "htk", "bins", "none")
    log = {"kind": "ln", "floor": eps, "how": "max"}
    yield "htk-logfbank", "python_speech_features", front_end({**htk, "window": "rectangular"}, bins, log), psf.logfbank(ints, RATE, nfft=512)
    yield (
        "htk-mfcc", "python_speech_features",
        front_end(htk, bins, log, {"count": 13, "lifter": {"length": 22, "first": 0}, "zeroth": "spectrum-energy"}),
        psf.mfcc(ints, RATE, nfft=512, winfunc=np.hamming),
    )
    yield (
        "librosa-mfcc", "librosa",
        front_end(spectrum(edges="centre-zero"), mel(40, 0, 8000, "slaney", "hertz", "slaney"),
                  {"kind": "decibel", "floor": 1e-10, "range": 80}, {"count": 20, "zeroth": "cepstrum"}),
        librosa.feature.mfcc(y=x, sr=RATE, n_mfcc=20, n_fft=512, win_length=400, hop_length=160, n_mels=40).T,
    )
    yield (
        "librosa-htk-mfcc", "librosa",
        front_end(spectrum(edges="centre-reflect", fft=480, window="hamming", power=1), mel(32, 60, 7600, "htk", "hertz", "none"),
                  {"kind": "decibel", "floor": 1e-3, "range": 30}, {"count": 24, "lifter": {"length": 26, "first": 1}, "zeroth": "cepstrum"}),
        librosa.feature.mfcc(
            S=librosa.power_to_db(
                librosa.feature.melspectrogram(y=x, sr=RATE, n_fft=480, win_length=400, hop_length=160, window="hamming", power=1,
                                               n_mels=32, fmin=60, fmax=7600, htk=True, norm=None, pad_mode="reflect"),
                amin=1e-3, top_db=30),
            n_mfcc=24, lifter=26).T,
    )
    yield (
        "ge2e", "librosa, as Resemblyzer calls it",
        front_end(spectrum(edges="centre-zero", fft=400), mel(40, 0, 8000, "slaney", "hertz", "slaney"), {"kind": "none"}),
        librosa.feature.melspectrogram(y=x, sr=RATE, n_fft=400, hop_length=160, n_mels=40).T,
    )
    melspec = librosa.feature.melspectrogram(y=x, sr=RATE, n_fft=400, hop_length=200, n_mels=64, htk=True, norm=None, pad_mode="reflect")
    yield (
        "torchaudio", "librosa with torchaudio's options",
        front_end(spectrum(edges="centre-reflect", fft=400, hop=200), mel(64, 0, 8000, "htk", "hertz", "none"),
                  {"kind": "ln", "floor": 1e-6, "how": "add"}),
        np.log(melspec.astype(np.float64) + 1e-6).T,
    )
    yield (
        "micro", MICRO + " built without gain control, every 20 ms",
        {"kind": "micro", "rateHz": RATE, "frame": 480, "hop": 320, "bands": 40, "lowHz": 125, "highHz": 7500,
         "smoothing": {"even": 0.025, "odd": 0.06}, "minSignalRemaining": 0.05, "gain": 1, "offset": 0},
        micro(ints),
    )


def compact(values):
    return [float(f"{v:.8g}") for v in np.asarray(values, dtype=np.float64).ravel()]


def resampled():
    """Interior samples, from a mix of tones; high-quality filters agree where every one of them is flat."""
    for rate, to in [(48000, 16000), (44100, 16000), (22050, 16000), (8000, 16000)]:
        y = soxr.resample(tone_mix(rate // 4, rate), rate, to, quality="VHQ")
        yield {"rateHz": rate, "to": to, "by": "soxr VHQ", "from": 1500, "values": compact(y[1500:1560])}


def torchaudio_check(x):
    import torch
    import torchaudio

    mels = torchaudio.transforms.MelSpectrogram(RATE, n_fft=400, hop_length=200, n_mels=64).double()(torch.from_numpy(x))
    return torch.log(mels + 1e-6).numpy().T


def main():
    ints = signal(4800, RATE)
    fixture = {"length": len(ints), "rateHz": RATE, "cases": [], "resampled": list(resampled())}
    for name, by, settings, values in cases(ints):
        count, width = values.shape
        frames = sorted({0, 1, count // 3, count // 2, count - 2, count - 1})
        fixture["cases"].append(
            {"name": name, "by": by, "frontEnd": settings, "frames": count, "width": width, "kept": frames, "values": compact(values[frames])}
        )
        print(f"{name}: {count} frames of {width}, {values.min():.4g} to {values.max():.4g}, by {by}")
        if name == "torchaudio" and "--torchaudio" in sys.argv:
            other = torchaudio_check(ints / 32768)
            print(f"  torchaudio itself differs by {np.abs(other - values).max():.3g}")
    OUT.write_text(json.dumps(fixture, separators=(",", ":")).replace('{"name"', '\n{"name"').replace('{"rateHz":4', '\n{"rateHz":4') + "\n")
    print(f"{OUT.name}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
