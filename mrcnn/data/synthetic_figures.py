"""The people of the embedded scenes: a pose, a body, and the garments on it, as layers from back to front.

A figure is described in local units: v runs down from the top of the head (0) to the soles (1), u to the right from the
body's axis. A layer is one thing of one colour or cloth: an alpha plane (anti-aliased) and a colour plane on their own
small rectangle, whose place is relative to the figure's soles, so that a figure can be moved by whole pixels. Layers of
skin, hair and face have class 0.
"""

from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np

from mrcnn.data import synthetic_paint as paint

CLASS_NAMES = ("hat", "shirt", "jacket", "dress", "skirt", "pants", "shoe", "bag")
HAT, SHIRT, JACKET, DRESS, SKIRT, PANTS, SHOE, BAG = range(1, 9)

SKINS = ((246, 214, 188), (232, 190, 158), (206, 156, 118), (168, 116, 82), (122, 80, 56), (88, 58, 44))
HAIRS = ((24, 20, 20), (60, 40, 28), (104, 68, 40), (196, 156, 92), (150, 72, 36), (170, 168, 166))

Points = list[tuple[float, float]]
Colour = tuple[int, int, int]

_CIRCLE = [(paint.cosine(degrees), paint.sine(degrees)) for degrees in range(0, 361, 20)]


@dataclass(frozen=True)
class Layer:
    """One painted thing of a figure.

    Attributes:
        top, left: place of its rectangle in pixels relative to the point between the figure's soles.
        alpha: [h, w] uint8 coverage; 128 and above belongs to the mask.
        colour: [h, w, 3] uint8
        class_id: 1…8 for a garment, 0 for what is no class.
        cloth: the kind of its cloth, one of paint.TEXTURES.
        dye: the main colour of its cloth.
    """

    top: int
    left: int
    alpha: np.ndarray
    colour: np.ndarray
    class_id: int
    cloth: str = "plain"
    dye: Colour = (0, 0, 0)


@dataclass(frozen=True)
class Arm:
    """Joints of an arm, in local units, and the side (-1 left, 1 right) it hangs on."""

    side: int
    shoulder: tuple[float, float]
    elbow: tuple[float, float]
    hand: tuple[float, float]


@dataclass(frozen=True)
class Leg:
    """Joints of a leg, in local units, and the way (-1 left, 1 right) its foot points."""

    side: int
    hip: tuple[float, float]
    knee: tuple[float, float]
    ankle: tuple[float, float]
    toes: int


@dataclass(frozen=True)
class Body:
    """Build and pose of a figure, in local units."""

    shoulder: float
    waist: float
    hip: float
    head: float
    arms: tuple[Arm, Arm]
    legs: tuple[Leg, Leg]
    skin: Colour
    hair: Colour


def _step(start: tuple[float, float], degrees: float, length: float) -> tuple[float, float]:
    """Return the point `length` away, where 0 degrees points down and positive ones turn to the right."""
    return start[0] + length * paint.sine(degrees), start[1] + length * paint.cosine(degrees)


def _pose_arm(dice: paint.Dice, side: int, shoulder: float, pose: str) -> Arm:
    upper, lower = {
        "hang": (dice.between(10, 20), dice.between(2, 12)),
        "out": (dice.between(28, 42), dice.between(15, 35)),
        "akimbo": (dice.between(44, 54), dice.between(-42, -30)),
        "raised": (dice.between(110, 140), dice.between(150, 175)),
        "front": (dice.between(8, 16), dice.between(-65, -40)),
    }[pose]
    start = (side * (shoulder - 0.022), 0.232)
    elbow = _step(start, side * upper, 0.15)
    return Arm(side, start, elbow, _step(elbow, side * lower, 0.145))


def draw_body(dice: paint.Dice) -> Body:
    """Draw build, pose, skin and hair of a figure."""
    shoulder, waist, hip = dice.between(0.112, 0.135), dice.between(0.078, 0.095), dice.between(0.098, 0.118)
    poses = ("hang", "hang", "hang", "out", "akimbo", "raised", "front")
    arms = tuple(_pose_arm(dice, side, shoulder, dice.pick(poses)) for side in (-1, 1))
    legs, walk = [], dice.pick((0, 0, -1, 1))
    for side in (-1, 1):
        start = (side * hip * 0.52, 0.52)
        spread = side * dice.between(3, 11) + walk * 3
        knee = _step(start, spread, 0.21)
        ankle = _step(knee, spread + walk * dice.between(-7, 2), 0.215)
        legs.append(Leg(side, start, knee, ankle, walk or side))
    return Body(shoulder, waist, hip, dice.between(0.066, 0.074), arms, tuple(legs), dice.pick(SKINS), dice.pick(HAIRS))


def rounded(points: Points) -> Points:
    """Cut the corners of a closed outline once (Chaikin).

    >>> rounded([(0.0, 0.0), (4.0, 0.0), (0.0, 4.0)])
    [(1.0, 0.0), (3.0, 0.0), (3.0, 1.0), (1.0, 3.0), (0.0, 3.0), (0.0, 1.0)]
    """
    cut = []
    for (u0, v0), (u1, v1) in zip(points, points[1:] + points[:1], strict=True):
        cut.append((u0 * 0.75 + u1 * 0.25, v0 * 0.75 + v1 * 0.25))
        cut.append((u0 * 0.25 + u1 * 0.75, v0 * 0.25 + v1 * 0.75))
    return cut


def limb(joints: Points, widths: list[float]) -> Points:
    """Return the outline of a limb through `joints` with half-widths `widths`, both listed from the body outwards."""
    right, left = [], []
    last = len(joints) - 1
    for i, (u, v) in enumerate(joints):
        (u0, v0), (u1, v1) = joints[max(i - 1, 0)], joints[min(i + 1, last)]
        du, dv = u1 - u0, v1 - v0
        scale = widths[i] / max((du * du + dv * dv) ** 0.5, 1e-6)
        right.append((u + dv * scale, v - du * scale))
        left.append((u - dv * scale, v + du * scale))
    return rounded(right + left[::-1])


def oval(u: float, v: float, ru: float, rv: float, first: int = 0, last: int = 360) -> Points:
    """Return an ellipse, or the arc of it between two angles in degrees (180 is left, 270 is up)."""
    return [(u + ru * c, v + rv * s) for c, s in _CIRCLE[first // 20 : last // 20 + 1]]


def toward(start: tuple[float, float], end: tuple[float, float], share: float) -> tuple[float, float]:
    """Return the point at `share` of the way from `start` to `end`."""
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def mirror(points: Points) -> Points:
    """Complete a right outline, listed from the top down, by its mirror image."""
    return points + [(-u, v) for u, v in reversed(points)]


class Brush:
    """Paints the layers of one figure: local units in, pixels out.

    Args:
        height: of the figure in pixels.
        tilt: degrees the figure leans about its soles.
        mirrored: swaps left and right.
        lit: -1 or 1, the side the light comes from.
    """

    def __init__(self, dice: paint.Dice, height: float, tilt: float, mirrored: bool, lit: int) -> None:
        self.dice, self.height, self.lit = dice, height, lit
        self.layers: list[Layer] = []
        flip = -1.0 if mirrored else 1.0
        c, s = paint.cosine(tilt) * height, paint.sine(tilt) * height
        self._u, self._v = (c * flip, -s), (s * flip, c)

    def _pixels(self, shapes: list[Points]) -> list[np.ndarray]:
        """Return each shape as [n, 2] int32 (x, y) in sixteenths of a pixel."""
        at = np.array([point for shape in shapes for point in shape], np.float64)
        u, v = at[:, 0], at[:, 1] - 1.0
        pixels = np.empty(at.shape)
        pixels[:, 0] = u * self._u[0] + v * self._u[1]
        pixels[:, 1] = u * self._v[0] + v * self._v[1]
        whole = np.floor(pixels * 16.0 + 0.5).astype(np.int32)
        ends = list(accumulate(len(shape) for shape in shapes))
        return [whole[end - len(shape) : end] for shape, end in zip(shapes, ends, strict=True)]

    def paint(
        self,
        class_id: int,
        shapes: list[Points],
        colour: Colour,
        kind: str = "plain",
        folds: list[Points] = (),
        outline: bool = True,
        marks: list[tuple[Points, Colour]] = (),
    ) -> None:
        """Add a layer: the union of closed `shapes` in one cloth, `folds` being darker open lines on it.

        `marks` are closed shapes of another colour, painted on the layer where it is.
        """
        pixels = self._pixels([*shapes, *folds, *(mark for mark, _ in marks)])
        everything = np.concatenate(pixels[: len(shapes)])
        left, top = (everything.min(axis=0) - 24 >> 4).tolist()
        right, bottom = (everything.max(axis=0) + 40 >> 4).tolist()
        height, width = bottom - top, right - left
        origin = np.array([left * 16, top * 16], np.int32)
        alpha, shade = np.zeros((height, width), np.uint8), self._shade(height, width)
        for number, points in enumerate(pixels):
            points -= origin
            if number < len(shapes):
                cv2.fillPoly(alpha, [points], 255, cv2.LINE_AA, 4)
                if outline:
                    cv2.polylines(shade, [points], True, 84, 1, cv2.LINE_AA, 4)
            elif number < len(shapes) + len(folds):
                cv2.polylines(shade, [points], False, 92, 1, cv2.LINE_AA, 4)
        cloth = paint.texture(self.dice, kind, colour, height, width, self.height)
        shaded = np.minimum(cloth.astype(np.uint16) * shade[:, :, None] >> 7, 255).astype(np.uint8)
        for (_, mark), points in zip(marks, pixels[len(shapes) + len(folds) :], strict=True):
            cv2.fillPoly(shaded, [points], mark, cv2.LINE_AA, 4)
        self.layers.append(Layer(top, left, alpha, shaded, class_id, kind, colour))

    def _shade(self, height: int, width: int) -> np.ndarray:
        """Return [height, width] uint8 of light: 128 leaves a colour as it is, brighter towards the lit side."""
        line = 146 - (np.arange(width) * 40 // max(width - 1, 1))
        if self.lit > 0:
            line = line[::-1]
        return np.repeat(line.astype(np.uint8)[None], height, axis=0)


def paint_legs(brush: Brush, body: Body) -> None:
    """Paint bare legs and feet."""
    shapes = []
    for leg in body.legs:
        shapes.append(limb([leg.hip, leg.knee, leg.ankle], [0.05, 0.035, 0.022]))
        u, v, d = *leg.ankle, leg.toes
        foot = [(u - d * 0.025, v - 0.01), (u + d * 0.03, v), (u + d * 0.085, v + 0.03), (u - d * 0.025, v + 0.03)]
        shapes.append(rounded(foot))
    brush.paint(0, shapes, body.skin)


def paint_torso(brush: Brush, body: Body) -> None:
    """Paint neck and bare trunk."""
    neck = [(-0.028, 0.13), (0.028, 0.13), (0.034, 0.22), (-0.034, 0.22)]
    side = [(0.03, 0.2), (body.shoulder - 0.01, 0.215), (body.waist, 0.4), (body.hip, 0.5), (body.hip * 0.8, 0.55)]
    brush.paint(0, [neck, rounded(mirror(side))], body.skin)


def paint_head(brush: Brush, body: Body) -> None:
    """Paint head, ears and face."""
    r = body.head
    eyes = [oval(side * r * 0.38 + 0.004, 0.098, 0.008, 0.008) for side in (-1, 1)]
    mouth = [(-0.022, 0.141), (0.026, 0.141), (0.002, 0.15)]
    lips = paint.mix(body.skin, (170, 40, 50), 65)
    head = [oval(0, 0.095, r * 0.92, 0.078), oval(-r, 0.1, 0.012, 0.018), oval(r, 0.1, 0.012, 0.018)]
    brush.paint(0, head, body.skin, marks=[(eyes[0], (38, 28, 26)), (eyes[1], (38, 28, 26)), (mouth, lips)])


def paint_hair_behind(brush: Brush, body: Body) -> None:
    """Paint long hair, which falls behind the shoulders."""
    r = body.head
    side = [(0.02, 0.02), (r * 1.15, 0.05), (r * 1.3, 0.15), (r * 1.25, 0.26), (r * 0.7, 0.27)]
    brush.paint(0, [rounded(mirror(side))], body.hair)


def paint_hair(brush: Brush, body: Body, covered: bool) -> None:
    """Paint the hair on the head; under a hat only its sides."""
    r = body.head
    fringe = [(r * 0.95, 0.1), (r * 0.7, 0.062), (-r * 0.2, 0.05), (-r * 0.95, 0.1)]
    crown = oval(0, 0.085, r * 1.04, 0.078, 180, 360) + fringe
    sides = [[(s * r * 0.8, 0.05), (s * r * 1.06, 0.06), (s * r * 1.04, 0.115), (s * r * 0.85, 0.1)] for s in (-1, 1)]
    brush.paint(0, sides if covered else [crown], body.hair, outline=False)


def paint_arms(brush: Brush, body: Body, sleeve: float) -> None:
    """Paint what sleeves of length `sleeve` (0 none, 1 to the wrist) leave bare of the arms, and the hands."""
    shapes = []
    for arm in body.arms:
        wrist = toward(arm.elbow, arm.hand, 0.9)
        shapes.append(oval(*arm.hand, 0.024, 0.028))
        if sleeve < 0.5:
            start = toward(arm.shoulder, arm.elbow, 2 * sleeve)
            shapes.append(limb([start, arm.elbow, wrist], [0.034, 0.027, 0.02]))
        elif sleeve < 1:
            shapes.append(limb([toward(arm.elbow, arm.hand, 2 * sleeve - 1), wrist], [0.026, 0.02]))
    brush.paint(0, shapes, body.skin)


def sleeves(body: Body, length: float, wide: float) -> list[Points]:
    """Return the outlines of two sleeves; `length` as in paint_arms, `wide` in local units at the shoulder."""
    shapes = []
    for arm in body.arms:
        top = (arm.shoulder[0] - arm.side * 0.012, arm.shoulder[1] - 0.005)
        if length <= 0.5:
            end = toward(arm.shoulder, arm.elbow, min(2 * length + 0.08, 1))
            shapes.append(limb([top, toward(top, end, 0.5), end], [wide, wide, wide * 0.95]))
        else:
            end = toward(arm.elbow, arm.hand, 2 * length - 1.06)
            shapes.append(limb([top, arm.elbow, end], [wide, wide * 0.85, wide * 0.75]))
    return shapes
