"""Chance, colours, cloth and backgrounds of the embedded scenes.

All arithmetic that reaches a pixel is integer, or IEEE addition, multiplication and division, and chance comes from raw
PCG64 words, whose stream NumPy guarantees (the streams of `Generator.integers` and its siblings may change with a
release). Sines come from a rounded table. So a scene is the same on every platform.
"""

import math

import cv2
import numpy as np

_SINES = [round(math.sin(math.radians(tenth / 10)) * 32768) / 32768 for tenth in range(3600)]

TEXTURES = ("plain", "horizontal", "vertical", "diagonal", "checks", "dots", "noise", "gradient")
Colour = tuple[int, int, int]


def sine(degrees: float) -> float:
    """Return the sine of an angle in degrees, rounded to tenths of a degree and to 2⁻¹⁵.

    >>> sine(30.0), sine(-90.0)
    (0.5, -1.0)
    """
    return _SINES[round(degrees * 10) % 3600]


def cosine(degrees: float) -> float:
    """Return the cosine of an angle in degrees, from the same table.

    >>> cosine(60.0)
    0.5
    """
    return sine(degrees + 90.0)


class Dice:
    """Chance for one scene: a stream of 64-bit words that depends on (seed, index) only.

    >>> a, b = Dice(7, 0), Dice(7, 0)
    >>> [a.below(6) for _ in range(5)] == [b.below(6) for _ in range(5)]
    True
    """

    _CHUNK = 512

    def __init__(self, seed: int, index: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, index]))
        self._words: list[int] = []

    def below(self, limit: int) -> int:
        """Return an integer in [0, limit)."""
        if not self._words:
            self._words = self._bits.random_raw(self._CHUNK).tolist()
        return (self._words.pop() >> 32) * limit >> 32

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high], one of 4097 steps."""
        return low + (high - low) * self.below(4097) / 4096

    def chance(self, percent: int) -> bool:
        """Return True in `percent` of 100 cases."""
        return self.below(100) < percent

    def pick(self, items):
        """Return one of the items of a sequence."""
        return items[self.below(len(items))]

    def noise(self, height: int, width: int) -> np.ndarray:
        """Return [height, width] uint8 of independent bytes."""
        words = self._bits.random_raw((height * width + 7) // 8)
        return words.astype("<u8").view(np.uint8)[: height * width].reshape(height, width)


def hue_colour(hue: int, saturation: int, value: int) -> Colour:
    """Return an RGB colour from hue 0…1535, saturation 0…255 and value 0…255, in integers.

    >>> hue_colour(0, 255, 255), hue_colour(512, 255, 200), hue_colour(900, 0, 80)
    ((255, 0, 0), (0, 200, 0), (80, 80, 80))
    """
    sector, rest = divmod(hue % 1536, 256)
    down = 255 - rest
    wheel = ((255, rest, 0), (down, 255, 0), (0, 255, rest), (0, down, 255), (rest, 0, 255), (255, 0, down))
    return tuple((255 * 255 - saturation * (255 - channel)) * value // (255 * 255) for channel in wheel[sector])


def distance(first: Colour, second: Colour) -> int:
    """Return the sum of absolute channel differences of two colours.

    >>> distance((10, 20, 30), (13, 16, 30))
    7
    """
    return sum(abs(a - b) for a, b in zip(first, second, strict=True))


def mix(first: Colour, second: Colour, percent: int) -> Colour:
    """Return `first` with `percent` hundredths of `second` in it.

    >>> mix((0, 0, 0), (200, 100, 50), 50)
    (100, 50, 25)
    """
    return tuple((a * (100 - percent) + b * percent) // 100 for a, b in zip(first, second, strict=True))


def cloth_colour(dice: Dice, unlike: list[Colour], least: int = 150) -> Colour:
    """Draw a cloth colour at least `least` away from each of the colours in `unlike`, as far as 12 draws find one."""
    best, best_gap = (0, 0, 0), -1
    for _ in range(12):
        if dice.chance(18):
            grey = dice.pick((28, 50, 235, 215))
            colour = (grey, grey, grey)
        else:
            colour = hue_colour(dice.below(1536), 80 + dice.below(176), 90 + dice.below(160))
        gap = min((distance(colour, other) for other in unlike), default=least)
        if gap > best_gap:
            best, best_gap = colour, gap
        if gap >= least:
            break
    return best


def _ramp(first: Colour, second: Colour, steps: int) -> np.ndarray:
    return np.array([mix(first, second, 100 * step // (steps - 1)) for step in range(steps)], np.uint8)


def _stripe_width(dice: Dice, unit: float, low: float, high: float) -> int:
    return max(2, round(unit * dice.between(low, high)))


def texture(dice: Dice, kind: str, colour: Colour, height: int, width: int, unit: float) -> np.ndarray:
    """Paint a rectangle of cloth.

    Args:
        kind: one of TEXTURES.
        colour: the main colour; the second one is drawn.
        unit: height of the figure in pixels; the pattern scales with it.

    Returns:
        [height, width, 3] uint8
    """
    light = sum(colour) > 330
    other = mix(colour, (0, 0, 0) if light else (255, 255, 255), 35 + dice.below(30))
    palette = np.array([colour, other, mix(colour, other, 50)], np.uint8)
    shift = dice.below(64)
    y = np.arange(shift, height + shift)[:, None]
    x = np.arange(width)[None, :]
    if kind == "horizontal":
        index = (y // _stripe_width(dice, unit, 0.02, 0.05) & 1) + 0 * x
    elif kind == "vertical":
        index = (x // _stripe_width(dice, unit, 0.018, 0.04) & 1) + 0 * y
    elif kind == "diagonal":
        index = (x + y) // _stripe_width(dice, unit, 0.025, 0.05) & 1
    elif kind == "checks":
        step = _stripe_width(dice, unit, 0.025, 0.05)
        index = np.array([0, 2, 1])[(x // step & 1) + (y // step & 1)]
    elif kind == "dots":
        step = max(5, _stripe_width(dice, unit, 0.05, 0.075))
        odd = (y // step & 1) * (step // 2)
        index = ((2 * (y % step) - step) ** 2 + (2 * ((x + odd) % step) - step) ** 2) * 3 < step * step
    elif kind == "noise":
        palette = _ramp(colour, mix(colour, other, 55), 8)
        grain = dice.noise(32, 32) >> 5
        index = grain[y % 32, x % 32]
    elif kind == "gradient":
        palette = _ramp(colour, other, 32)
        index = (y - shift) * 31 // max(height - 1, 1) + 0 * x
    else:
        return np.full((height, width, 3), colour, np.uint8)
    return palette[index.astype(np.intp)]


def smooth_noise(dice: Dice, cells: int, size: int) -> np.ndarray:
    """Return [size, size] uint8 noise that varies smoothly over `cells` cells a side."""
    return cv2.resize(dice.noise(cells, cells), (size, size), interpolation=cv2.INTER_LINEAR_EXACT)


def _vertical_ramp(top: Colour, bottom: Colour, size: int) -> np.ndarray:
    rows = np.arange(size)[:, None]
    first, last = np.array(top)[None, :], np.array(bottom)[None, :]
    line = (first * (size - 1 - rows) + last * rows) // max(size - 1, 1)
    return np.repeat(line.astype(np.uint8)[:, None, :], size, axis=1)


def _dull(dice: Dice, low: int = 70, high: int = 210) -> Colour:
    return hue_colour(dice.below(1536), dice.below(70), low + dice.below(high - low))


def _rectangle(image: np.ndarray, left: int, top: int, right: int, bottom: int, colour: Colour) -> None:
    image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = colour


def _studio(dice: Dice, size: int, floor: int) -> np.ndarray:
    image = _vertical_ramp(_dull(dice), _dull(dice), size)
    if dice.chance(60):
        colour = _dull(dice)
        image[floor:] = _vertical_ramp(colour, mix(colour, (255, 255, 255), 25), size)[floor:]
    return image


def _bricks(dice: Dice, size: int, floor: int) -> np.ndarray:
    wall = dice.pick(((150, 84, 66), (176, 150, 128), (128, 128, 132), (190, 178, 150)))
    image = np.full((size, size, 3), mix(wall, (230, 230, 225), 45), np.uint8)
    rows = 9 + dice.below(6)
    tones = dice.noise(rows + 1, 12) % 24
    for row in range(rows):
        top, bottom = size * row // rows, size * (row + 1) // rows
        for column in range(-1, 8):
            left = size * (2 * column + (row & 1)) // 14
            right = size * (2 * column + 2 + (row & 1)) // 14
            tone = int(tones[row, column + 1])
            _rectangle(image, left, top, right - 1, bottom - 1, tuple(max(0, c + tone - 12) for c in wall))
    image[floor:] = _dull(dice, 90, 160)
    return image


def _street(dice: Dice, size: int, floor: int) -> np.ndarray:
    image = _vertical_ramp(mix(_dull(dice, 180, 230), (120, 170, 230), 50), (225, 228, 230), size)
    percent = -dice.below(13)
    while percent < 100:
        left, top = size * percent // 100, size * (5 + dice.below(40)) // 100
        percent += 18 + dice.below(22)
        right = size * percent // 100
        wall = _dull(dice, 80, 190)
        _rectangle(image, left, top, right, floor, wall)
        pane = mix(wall, dice.pick(((40, 50, 70), (235, 225, 170))), 55)
        step = max(4, size * 9 // 100)
        for y in range(top + step // 2, floor - step, step):
            for x in range(left + step // 2, right - step // 2, step):
                _rectangle(image, x, y, min(x + step // 2, right - 1), y + step * 6 // 10, pane)
    road = _dull(dice, 85, 130)
    image[floor:] = _vertical_ramp(mix(road, (255, 255, 255), 20), road, size)[floor:]
    return image


def _foliage(dice: Dice, size: int, floor: int) -> np.ndarray:
    depth = smooth_noise(dice, 20, size).astype(np.int32) * 2 + smooth_noise(dice, 7, size)
    level = np.clip((depth - 120) // 32, 0, 15).astype(np.intp)  # [size, size]
    dark = dice.pick(((24, 46, 26), (40, 52, 20), (52, 44, 26)))
    light = dice.pick(((120, 160, 84), (150, 160, 80), (170, 140, 84)))
    image = _ramp(dark, light, 16)[level]
    ground = dice.pick(((120, 104, 80), (96, 128, 70), (150, 140, 120)))
    image[floor:] = _ramp(ground, mix(ground, (0, 0, 0), 25), 16)[level[floor:]]
    return image


def _room(dice: Dice, size: int, floor: int) -> np.ndarray:
    wall = _dull(dice, 150, 235)
    image = np.full((size, size, 3), wall, np.uint8)
    plank = dice.pick(((140, 104, 70), (104, 80, 60), (170, 150, 130), (110, 110, 114)))
    image[floor:] = plank
    gap = mix(plank, (0, 0, 0), 25)
    for step in range(0, size * 2, max(6, size // 8)):
        cv2.line(image, (size // 2 + (step - size) // 2, floor), (step - size // 2, size - 1), gap)
    _rectangle(image, 0, floor - max(2, size // 40), size, floor, mix(wall, (255, 255, 255), 50))
    for _ in range(1 + dice.below(3)):
        left, top = size * dice.below(100) // 100, size * dice.below(30) // 100
        right, bottom = left + size * (12 + dice.below(16)) // 100, top + size * (14 + dice.below(16)) // 100
        _rectangle(image, left, top, right, bottom, mix(wall, (60, 45, 30), 60))
        _rectangle(image, left + 2, top + 2, right - 2, bottom - 2, _dull(dice, 100, 220))
    return image


def _panels(dice: Dice, size: int, floor: int) -> np.ndarray:
    first = _dull(dice, 90, 220)
    palette = np.array([first, mix(first, (0, 0, 0), 12), mix(first, (255, 255, 255), 14)], np.uint8)
    step = max(8, size * (14 + dice.below(14)) // 100)
    index = np.arange(size) // step % 3
    image = np.repeat(palette[index][None], size, axis=0)
    image[floor:] = _dull(dice, 90, 190)
    return image


def background(dice: Dice, size: int) -> np.ndarray:
    """Draw a backdrop, one of a studio, bricks, a street, foliage, a room and panels: [size, size, 3] uint8."""
    floor = size * (66 + dice.below(22)) // 100
    painters = (_studio, _bricks, _street, _foliage, _room, _panels)
    return painters[dice.below(len(painters))](dice, size, floor)


def light(image: np.ndarray, dice: Dice) -> np.ndarray:
    """Light a scene from one side with a slight tint, and add sensor noise: [size, size, 3] uint8."""
    size = len(image)
    first, last = 104 + dice.below(44), 104 + dice.below(44)  # 128 leaves as it is
    line = (first * (size - 1 - np.arange(size)) + last * np.arange(size)) // max(size - 1, 1)  # [size]
    tint = np.array([122 + dice.below(13) for _ in range(3)])
    gain = (line[:, None] * tint[None, :] >> 7).astype(np.uint16)  # [size, 3]
    lit = image.astype(np.uint16) * gain[None] >> 7
    grain = dice.noise(size, size) % 9  # [size, size], the same for the three channels
    lit += grain[:, :, None]
    return np.clip(lit.astype(np.int16) - 4, 0, 255).astype(np.uint8)
