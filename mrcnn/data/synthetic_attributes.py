"""What can be said of a garment of the embedded scenes beside its class: the pattern of its cloth, and its main colour.

Both are what the painter was told, so they are true whatever is left to see of them: on a shoe of eight pixels no eye
tells stripes from checks.
"""

import colorsys

import numpy as np

from mrcnn.data import synthetic_paint as paint

#: Of paint.TEXTURES, in their order.
PATTERNS = ("plain", "stripes across", "stripes down", "diagonal stripes", "checks", "dots", "mottled", "gradient")
#: A sixth of the colour circle each, from red on, and what has no hue.
COLOURS = ("red", "yellow", "green", "cyan", "blue", "magenta", "grey")
NAMES = PATTERNS + COLOURS


def of_cloth(kind: str, colour: paint.Colour) -> np.ndarray:
    """Return the attributes of a cloth: [len(NAMES)] bool, one pattern and one colour.

    Args:
        kind: one of paint.TEXTURES.
        colour: its main colour.

    >>> [NAMES[i] for i in np.flatnonzero(of_cloth("dots", (40, 60, 230)))]
    ['dots', 'blue']
    >>> [NAMES[i] for i in np.flatnonzero(of_cloth("plain", (50, 50, 50)))]
    ['plain', 'grey']
    """
    found = np.zeros(len(NAMES), bool)
    found[paint.TEXTURES.index(kind)] = True
    hue, saturation, _ = colorsys.rgb_to_hsv(*colour)
    place = round(hue * 6) % 6 if saturation else COLOURS.index("grey")
    found[len(PATTERNS) + place] = True
    return found
