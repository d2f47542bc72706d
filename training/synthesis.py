"""Sounds that are neither speech nor music, made from nothing: calls, signals, impacts, engines, noises, and beds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

RATE_HZ = 16_000
Generator = np.random.Generator
Samples = np.ndarray


def random_event(rng: Generator) -> Samples:
    """One sound of a random kind (num_samples,), peak about 1, 0.1 to 6 s long."""
    kinds: tuple[Callable[[Generator], Samples], ...] = (
        animal_call, animal_call, animal_call, bird_song, bird_song, signal_tones, chime, chime, impact, impact_series,
        engine, noise_burst, noise_burst, siren, rustle, frog,
    )  # fmt: skip
    samples = kinds[rng.integers(len(kinds))](rng)
    return samples / max(float(np.abs(samples).max()), 1e-6)


def _time(seconds: float) -> Samples:
    return np.arange(int(seconds * RATE_HZ)) / RATE_HZ


def contour(rng: Generator, count: int, points: int, low: float, high: float) -> Samples:
    """A smooth random curve (count,) through `points` values between `low` and `high`."""
    knots = rng.uniform(low, high, points)
    return np.interp(np.linspace(0, points - 1, count), np.arange(points), knots)


def _envelope(rng: Generator, count: int) -> Samples:
    attack = max(1, int(count * rng.uniform(0.02, 0.4)))
    release = max(1, int(count * rng.uniform(0.1, 0.6)))
    shape = np.ones(count)
    shape[:attack] *= np.linspace(0, 1, attack)
    shape[-release:] *= np.linspace(1, 0, release) ** rng.uniform(0.7, 2.5)
    return shape


def _formants(rng: Generator, samples: Samples) -> Samples:
    for _ in range(rng.integers(1, 4)):
        centre, width = rng.uniform(200, 4500), rng.uniform(80, 900)
        radius = np.exp(-np.pi * width / RATE_HZ)
        poles = [1, -2 * radius * np.cos(2 * np.pi * centre / RATE_HZ), radius**2]
        samples = samples * 0.3 + lfilter([1 - radius], poles, samples)
    return samples


def _voice(rng: Generator, seconds: float, low: float, high: float) -> Samples:
    count = int(seconds * RATE_HZ)
    base = np.exp(rng.uniform(np.log(low), np.log(high)))
    pitch = base * 2 ** contour(rng, count, int(rng.integers(2, 6)), -rng.uniform(0.05, 1.0), rng.uniform(0.0, 0.8))
    jitter = lfilter([0.02], [1, -0.98], rng.standard_normal(count)) * rng.uniform(0, 1.2)
    phase = 2 * np.pi * np.cumsum(pitch * (1 + jitter)) / RATE_HZ
    tilt = rng.uniform(0.6, 2.0)
    partials = [np.sin(k * phase) * (pitch * k < 7500) / k**tilt for k in range(1, int(rng.integers(2, 24)))]
    rough = 1 + rng.uniform(0, 0.9) * np.sin(2 * np.pi * rng.uniform(15, 90) * _time(seconds)[:count])
    breath = rng.standard_normal(count) * rng.uniform(0, 0.6)
    return _formants(rng, (np.sum(partials, axis=0) + breath) * rough) * _envelope(rng, count)


def _repeat(rng: Generator, make: Callable[[], Samples], most: int, gap: tuple[float, float]) -> Samples:
    pause, parts = rng.uniform(*gap), []
    for _ in range(rng.integers(1, most + 1)):
        parts += [make() * rng.uniform(0.6, 1.0), np.zeros(int(pause * rng.uniform(0.8, 1.2) * RATE_HZ))]
    return np.concatenate(parts[:-1])


def animal_call(rng: Generator) -> Samples:
    """Pitched and rough: barks, moos, howls, bleats, quacks, one or several."""
    seconds, low = rng.choice([rng.uniform(0.08, 0.3), rng.uniform(0.3, 2.0)]), rng.choice([50, 100, 300])
    once = _voice(rng, seconds, low, low * 8)
    alike = rng.random() < 0.5
    return _repeat(
        rng, lambda: once if alike else _voice(rng, seconds, low, low * 8), 6 if seconds < 0.5 else 3, (0.03, 0.6)
    )


def bird_song(rng: Generator) -> Samples:
    low, high = sorted(rng.uniform(1200, 7000, 2))

    def syllable() -> Samples:
        count = int(rng.uniform(0.03, 0.25) * RATE_HZ)
        pitch = contour(rng, count, int(rng.integers(2, 5)), low, high)
        return np.sin(2 * np.pi * np.cumsum(pitch) / RATE_HZ) * np.hanning(count)

    once = syllable()
    alike = rng.random() < 0.5
    return _repeat(rng, lambda: once if alike else syllable(), 14, (0.01, 0.25))


def frog(rng: Generator) -> Samples:
    seconds, rate = rng.uniform(0.2, 1.5), rng.uniform(15, 70)
    t = _time(seconds)
    pulses = np.exp(-((t * rate) % 1) * rng.uniform(3, 12))
    carrier = np.sin(2 * np.pi * rng.uniform(300, 2500) * t) + 0.5 * rng.standard_normal(len(t))
    return _repeat(rng, lambda: _formants(rng, pulses * carrier) * _envelope(rng, len(t)), 4, (0.1, 0.6))


def signal_tones(rng: Generator) -> Samples:
    """Beeps of one or two frequencies: telephones, dialling, alarm clocks, warnings."""
    tones = rng.uniform(300, 3500, int(rng.integers(1, 3)))
    harmonics = int(rng.integers(1, 6))

    def beep() -> Samples:
        t = _time(rng.uniform(0.05, 0.8))
        trill = 1 + (rng.random() < 0.3) * np.sign(np.sin(2 * np.pi * 22 * t))
        return sum(np.sin(2 * np.pi * f * k * t) / k for f in tones for k in range(1, harmonics + 1)) * trill

    once = beep()
    alike = rng.random() < 0.8
    return _repeat(rng, lambda: once if alike else beep(), 12 if len(once) < 3000 else 4, (0.03, 0.8))


def chime(rng: Generator) -> Samples:
    """One to four struck or plucked notes, as desktops and appliances play: a signal, not music."""
    total = np.zeros(int(rng.uniform(0.4, 2.5) * RATE_HZ))
    base, partials = rng.uniform(300, 1500), rng.choice([1.0, 2.0, 2.76, 3.0, 4.1, 5.4], 3)
    for index in range(rng.integers(1, 5)):
        start = int(index * rng.uniform(0.08, 0.35) * RATE_HZ)
        if start < len(total) - 800:
            t = _time((len(total) - start) / RATE_HZ)[: len(total) - start]
            pitch = base * 2 ** (rng.integers(-7, 8) / 12)
            note = sum(np.sin(2 * np.pi * pitch * p * t) / p for p in [1.0, *partials] if pitch * p < 7500)
            total[start : start + len(t)] += note * np.exp(-t * rng.uniform(2, 12))
    return total


def impact(rng: Generator) -> Samples:
    """A knock, clank, drop or break: a few damped modes and a burst of noise."""
    t = _time(rng.uniform(0.15, 1.5))
    modes = sum(
        rng.uniform(0.1, 1) * np.sin(2 * np.pi * rng.uniform(80, 6500) * t) * np.exp(-t * rng.uniform(4, 60))
        for _ in range(rng.integers(2, 12))
    )
    return modes + rng.uniform(0.1, 2) * rng.standard_normal(len(t)) * np.exp(-t * rng.uniform(20, 200))


def impact_series(rng: Generator) -> Samples:
    """Steps, typing, hammering, applause-like rattles."""
    once = impact(rng)[: int(rng.uniform(0.05, 0.3) * RATE_HZ)]
    once = once * np.linspace(1, 0, len(once))
    return _repeat(rng, lambda: once * rng.uniform(0.3, 1.0), 14, (0.02, 0.5))


def engine(rng: Generator) -> Samples:
    seconds = rng.uniform(0.8, 6)
    count = int(seconds * RATE_HZ)
    pitch = rng.uniform(20, 160) * contour(rng, count, 4, 0.7, 1.5)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    tone = sum(rng.uniform(0.1, 1) * np.sin(k * phase + rng.uniform(0, 6)) / k**0.7 for k in range(1, 20))
    noise = coloured_noise(rng, count, rng.uniform(-2, 0)) * rng.uniform(0.3, 2)
    return (tone + noise * (1 + 0.7 * np.sin(phase))) * _envelope(rng, count)


def siren(rng: Generator) -> Samples:
    seconds = rng.uniform(0.8, 5)
    t = _time(seconds)
    wave = np.sin(2 * np.pi * rng.uniform(0.3, 6) * t)
    wave = np.sign(wave) if rng.random() < 0.4 else wave
    pitch = rng.uniform(500, 1500) * 2 ** (rng.uniform(0.1, 0.9) * wave)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    return (
        np.sin(phase) + rng.uniform(0, 0.6) * np.sin(2 * phase) + rng.uniform(0, 0.5) * np.sin(3 * phase)
    ) * _envelope(rng, len(t))


def noise_burst(rng: Generator) -> Samples:
    """Whoosh, splash, spray, breath: coloured noise through a moving band."""
    count = int(rng.uniform(0.15, 4) * RATE_HZ)
    noise = coloured_noise(rng, count, rng.uniform(-2, 1))
    low = rng.uniform(60, 3000)
    noise = sosfilt(butter(2, [low, min(7600, low * rng.uniform(1.5, 10))], "band", fs=RATE_HZ, output="sos"), noise)
    wobble = contour(rng, count, int(rng.integers(2, 20)), 0.05, 1.0)
    return noise * wobble * _envelope(rng, count)


def rustle(rng: Generator) -> Samples:
    """Paper, scissors, fireworks' crackle: many short clicks of noise."""
    count = int(rng.uniform(0.3, 4) * RATE_HZ)
    density = contour(rng, count, 6, 0.0, rng.uniform(0.0005, 0.02))
    clicks = (rng.random(count) < density) * rng.standard_normal(count)
    return lfilter(
        [1],
        [1, -rng.uniform(0.5, 0.97)],
        lfilter(np.exp(-np.arange(200) / rng.uniform(5, 60)), [1], clicks) * rng.standard_normal(count),
    )


def coloured_noise(rng: Generator, count: int, slope: float) -> Samples:
    """Noise (count,) of unit RMS whose power falls with frequency to the power of `slope` (0 white, -1 pink)."""
    size = 1 << max(8, int(count - 1).bit_length())
    spectrum = np.fft.rfft(rng.standard_normal(size))
    frequency = np.maximum(np.fft.rfftfreq(size), 20 / RATE_HZ)
    noise = np.fft.irfft(spectrum * frequency ** (slope / 2))[:count]
    return noise / np.sqrt(np.mean(noise**2))


LOOP_S = 16
"""Long backgrounds repeat: nothing hears it, and the Fourier transforms stay small."""


def noise_bed(rng: Generator, count: int) -> Samples:
    """A steady background (count,) of unit RMS: coloured, perhaps with hum, its level slowly changing."""
    total, count = count, min(count, LOOP_S * RATE_HZ)
    noise = coloured_noise(rng, count, rng.uniform(-2.5, 0.5))
    if rng.random() < 0.3:
        noise = sosfilt(butter(1, rng.uniform(300, 4000), rng.choice(["low", "high"]), fs=RATE_HZ, output="sos"), noise)
    if rng.random() < 0.3:
        mains, t = rng.choice([50.0, 60.0, 100.0, rng.uniform(70, 400)]), np.arange(count) / RATE_HZ
        noise = noise / noise.std() + sum(
            rng.uniform(0, 1.5) / k * np.sin(2 * np.pi * mains * k * t + k) for k in range(1, 8)
        )
    noise = np.resize(noise, total)
    drift_db = contour(rng, total, int(rng.integers(2, 8)), -rng.uniform(0, 6), rng.uniform(0, 6))
    noise = noise * 10 ** (drift_db / 20)
    return noise / np.sqrt(np.mean(noise**2))


def room(rng: Generator, far: bool) -> Samples:
    """An impulse response: a direct sound, early reflections and a decaying tail; the further, the less direct."""
    decay = rng.uniform(0.15, 0.9 if far else 0.6)
    t = np.arange(int(decay * 1.2 * RATE_HZ)) / RATE_HZ
    tail = rng.standard_normal(len(t)) * np.exp(-6.9 * t / decay)
    tail = lfilter([1 - rng.uniform(0.2, 0.8)], [1, -rng.uniform(0.2, 0.7)], tail)
    tail[: int(rng.uniform(0.002, 0.02) * RATE_HZ)] = 0
    tail /= np.sqrt(np.sum(tail**2))
    ratio_db = rng.uniform(-8, 3) if far else rng.uniform(3, 15)
    response = tail * 10 ** (-ratio_db / 20)
    response[0] += 1.0
    return response


def rhythm(rng: Generator, hits: list[Samples]) -> Samples:
    """A drum pattern (num_samples,) of 1.5 to 12 s, each of `hits` on its own beats of a bar."""
    steps, step_s = int(rng.choice([8, 12, 16])), rng.uniform(0.09, 0.26)
    total = np.zeros(int(rng.uniform(1.5, 12) * RATE_HZ))
    for hit in hits:
        pattern = rng.random(steps) < rng.uniform(0.12, 0.5)
        pattern[0] |= rng.random() < 0.6
        for index in range(int(len(total) / RATE_HZ / step_s)):
            start = int(index * step_s * RATE_HZ)
            part = hit[: len(total) - start]
            if pattern[index % steps] and len(part):
                total[start : start + len(part)] += part * rng.uniform(0.5, 1.0)
    return total


def _synthesiser_line(rng: Generator, count: int, step_s: float, root_hz: float) -> Samples:
    """Notes of one sawtooth, square or sine voice, each step another degree of a scale or a rest."""
    scale = np.array([0, 3, 5, 7, 10, 12, 15]) if rng.random() < 0.6 else np.array([0, 2, 4, 7, 9, 12, 14])
    melody, rests = rng.choice(scale, 16), rng.random(16) < rng.uniform(0.0, 0.4)
    step = np.minimum((np.arange(count) / RATE_HZ / step_s).astype(int), 10**6)
    phase = np.cumsum(root_hz * 2 ** (melody[step % 16] / 12)) / RATE_HZ
    wave = {"saw": 2 * (phase % 1) - 1, "square": np.sign((phase % 1) - rng.uniform(0.2, 0.5))}.get(
        str(rng.choice(["saw", "square", "sine"])), np.sin(2 * np.pi * phase)
    )
    position = (np.arange(count) / RATE_HZ / step_s) % 1
    return wave * ~rests[step % 16] * np.exp(-position * rng.uniform(0.0, 5.0))


def electronic_music(rng: Generator, hits: list[Samples]) -> Samples:
    """Synthesiser lines (num_samples,) of 3 to 18 s over a beat, if there are `hits`; the filter may open and close."""
    count, step_s = int(rng.uniform(3, 18) * RATE_HZ), rng.uniform(0.09, 0.25)
    total = np.zeros(count)
    for octave in rng.choice([1, 2, 4, 4, 8], int(rng.integers(1, 4))):
        line = _synthesiser_line(rng, count, step_s * rng.choice([1, 2, 4]), float(octave * rng.uniform(40, 75)))
        cutoff = rng.uniform(300, 6000)
        total += rng.uniform(0.3, 1.0) * sosfilt(butter(2, cutoff, fs=RATE_HZ, output="sos"), line)
    if hits and rng.random() < 0.7:
        beat = rhythm(rng, hits)
        total += np.resize(beat, count) * rng.uniform(0.3, 1.5) * total.std() / max(beat.std(), 1e-6)
    fade = int(rng.uniform(0.005, 1.0) * RATE_HZ)
    total[:fade] *= np.linspace(0, 1, fade)
    total[-fade:] *= np.linspace(1, 0, fade)
    return total / max(float(np.abs(total).max()), 1e-6)


def applause(rng: Generator, count: int) -> Samples:
    """Many hands (count,), or heavy rain on a roof: dense short clicks of noise, their number slowly changing."""
    total, count = count, min(count, LOOP_S * RATE_HZ)
    density = contour(rng, count, 12, 0.002, rng.uniform(0.004, 0.05))
    clicks = (rng.random(count) < density) * rng.standard_normal(count)
    low = rng.uniform(300, 1500)
    band = butter(1, [low, min(7500.0, low * rng.uniform(2, 5))], "band", fs=RATE_HZ, output="sos")
    return np.resize(sosfilt(band, clicks), total)


def wind(rng: Generator, count: int) -> Samples:
    """Wind (count,): low noise that swells and falls over seconds, with a whistle that follows it."""
    seconds = count / RATE_HZ
    gust = contour(rng, count, max(3, int(seconds / rng.uniform(1.0, 5.0))), 0.15, 1.0)
    loop = min(count, LOOP_S * RATE_HZ)
    noise = np.resize(coloured_noise(rng, loop, rng.uniform(-3, -1.5)), count)
    centre = rng.uniform(200, 900)
    band = butter(1, [centre, centre * 1.5], "band", fs=RATE_HZ, output="sos")
    whistle = np.resize(sosfilt(band, coloured_noise(rng, loop, 0)), count)
    return noise * gust + whistle * gust**3 * rng.uniform(0, 3)
