"""The eight kinds of garments of the embedded scenes, cut to a body (see synthetic_figures)."""

from dataclasses import dataclass

from mrcnn.data import synthetic_figures as figures
from mrcnn.data import synthetic_paint as paint
from mrcnn.data.synthetic_figures import BAG, DRESS, HAT, JACKET, PANTS, SHIRT, SHOE, SKIRT, Body, Brush, Colour


@dataclass
class Outfit:
    """What a figure wears: `lower` is SKIRT or PANTS under a shirt, or 0 with a dress."""

    lower: int
    shoes: bool = False
    hat: bool = False
    jacket: bool = False
    bag: bool = False

    def count(self) -> int:
        """Return how many instances this is (a pair of shoes is two)."""
        return (2 if self.lower else 1) + 2 * self.shoes + self.hat + self.jacket + self.bag


def dress_figure(brush: Brush, body: Body, outfit: Outfit) -> None:
    """Paint a body with its outfit, back to front."""
    dice = brush.dice
    colours = _colours(dice, body)
    long_hair = dice.chance(45)
    if long_hair:
        figures.paint_hair_behind(brush, body)
    figures.paint_legs(brush, body)
    if outfit.shoes:
        _shoes(brush, body, next(colours))
    figures.paint_torso(brush, body)
    if outfit.lower:
        sleeve = _separates(brush, body, outfit, colours)
    else:
        _dress(brush, body, next(colours))
        sleeve = 0.0
    if outfit.jacket:
        _jacket(brush, body, next(colours))
        sleeve = 1.0
    figures.paint_arms(brush, body, sleeve)
    if outfit.bag:
        _bag(brush, body, next(colours))
    figures.paint_head(brush, body)
    figures.paint_hair(brush, body, covered=outfit.hat)
    if outfit.hat:
        _hat(brush, body, next(colours))


def _colours(dice: paint.Dice, body: Body):
    """Yield cloth colours, each far from skin, hair and the two before it."""
    fixed = [body.skin, body.hair]
    worn: list[Colour] = []
    while True:
        worn.append(paint.cloth_colour(dice, fixed + worn[-2:]))
        yield worn[-1]


def _cloth(dice: paint.Dice) -> str:
    return dice.pick(paint.TEXTURES)


def _separates(brush: Brush, body: Body, outfit: Outfit, colours) -> float:
    """Paint a shirt with a skirt or pants, tucked in or worn over; return the sleeves' length."""
    tucked = brush.dice.chance(50)
    lower = _skirt if outfit.lower == SKIRT else _pants
    if tucked:
        sleeve = _shirt(brush, body, next(colours), 0.445 if outfit.jacket else 0.47, outfit.jacket)
        lower(brush, body, next(colours))
    else:
        lower(brush, body, next(colours))
        sleeve = _shirt(brush, body, next(colours), brush.dice.between(0.5, 0.54), outfit.jacket)
    return sleeve


def _shirt(brush: Brush, body: Body, colour: Colour, hem: float, under_jacket: bool) -> float:
    dice = brush.dice
    s, w = body.shoulder - 0.03 * under_jacket, body.waist + dice.between(0.008, 0.02) - 0.018 * under_jacket
    neck = dice.between(0.034, 0.045)
    wide = w + (body.hip - body.waist) * (hem - 0.4) * 9
    half = [(0.0, 0.245), (neck, 0.198), (s, 0.215), (s + 0.004, 0.26), (w, 0.4), (wide, hem), (wide, hem)]
    length = 0.0 if under_jacket else dice.pick((0.22, 0.3, 0.3, 0.4, 1.0))
    shapes = [figures.rounded(figures.mirror(half))]
    if length:
        shapes += figures.sleeves(body, length, dice.between(0.042, 0.05) if length < 0.5 else 0.038)
    folds = [[(0.0, 0.25), (0.0, hem)]] if dice.chance(40) else []
    brush.paint(SHIRT, shapes, colour, _cloth(dice), folds)
    return length


def _dress(brush: Brush, body: Body, colour: Colour) -> None:
    """Paint a long dress without sleeves, in one piece and one cloth."""
    dice = brush.dice
    s, w = body.shoulder, body.waist + 0.006
    hem, wide = dice.between(0.74, 0.89), dice.between(0.14, 0.2)
    neck = dice.between(0.036, 0.06)
    half = [(0.0, 0.265), (neck, 0.2), (s - 0.006, 0.215), (s - 0.008, 0.26), (w, 0.39), (w, 0.41)]
    half += [(body.hip + 0.014, 0.5), (wide, hem - 0.01), (wide, hem), (0.0, hem + 0.02)]
    folds = [[(w * t, 0.42), (wide * t, hem)] for t in (-0.55, -0.1, 0.4)] + [[(-w, 0.4), (w, 0.4)]]
    brush.paint(DRESS, [figures.rounded(figures.mirror(half))], colour, _cloth(dice), folds)


def _jacket(brush: Brush, body: Body, colour: Colour) -> None:
    """Paint an open jacket: two panels that leave the middle of the trunk free, long sleeves, lapels."""
    dice = brush.dice
    s, hem, gap = body.shoulder + 0.012, dice.between(0.5, 0.62), dice.between(0.064, 0.076)
    shapes, folds = [], []
    for side in (-1, 1):
        panel = [(0.03, 0.19), (s, 0.21), (s + 0.008, 0.3), (body.waist + 0.03, 0.4), (body.hip + 0.026, hem)]
        panel += [(body.hip + 0.02, hem), (gap + 0.012, hem), (gap, 0.34), (0.035, 0.21)]
        shapes.append(figures.rounded([(side * u, v) for u, v in panel]))
        folds.append([(side * u, v) for u, v in ((0.05, 0.2), (gap + 0.026, 0.29), (gap + 0.006, 0.36))])
    shapes += figures.sleeves(body, 0.97, dice.between(0.044, 0.05))
    brush.paint(JACKET, shapes, colour, _cloth(dice), folds)


def _skirt(brush: Brush, body: Body, colour: Colour) -> None:
    dice = brush.dice
    w, hem, wide = body.waist + 0.008, dice.between(0.62, 0.75), dice.between(0.14, 0.2)
    half = [(w, 0.425), (w, 0.425), (body.hip + 0.016, 0.5), (wide, hem - 0.01), (wide, hem), (0.0, hem + 0.018)]
    folds = [[(w * t, 0.43), (wide * t, hem)] for t in (-0.7, -0.35, 0.0, 0.35, 0.7)]
    folds = folds if dice.chance(60) else folds[1:4:2]
    brush.paint(SKIRT, [figures.rounded(figures.mirror(half))], colour, _cloth(dice), folds)


def _pants(brush: Brush, body: Body, colour: Colour) -> None:
    dice = brush.dice
    w, h = body.waist + 0.008, body.hip + 0.01
    short, loose = dice.chance(15), dice.between(0.0, 0.014)
    half = [(w, 0.425), (w, 0.425), (h, 0.51), (h, 0.56), (0.0, 0.575)]
    shapes = [figures.rounded(figures.mirror(half))]
    for leg in body.legs:
        joints = [(leg.hip[0], 0.5), figures.toward(leg.hip, leg.knee, 0.5), leg.knee]
        widths = [0.056, 0.056 + loose, 0.045 + loose]
        if short:
            widths = [0.056, 0.054, 0.05]
            joints[-1] = figures.toward(leg.hip, leg.knee, 0.9)
        else:
            joints.append(figures.toward(leg.knee, leg.ankle, 0.95))
            widths.append(0.034 + loose * 1.5)
        shapes.append(figures.limb(joints, widths))
    kind = "noise" if dice.chance(30) else _cloth(dice)
    brush.paint(PANTS, shapes, colour, kind, [[(-w, 0.445), (w, 0.445)], [(0.0, 0.43), (0.0, 0.57)]])


def _shoes(brush: Brush, body: Body, colour: Colour) -> None:
    dice = brush.dice
    boots = dice.chance(35)
    shaft = 0.06 if boots else 0.022
    kind = dice.pick(("plain", "plain", "noise", "gradient", "vertical"))
    sole = 0.01 + 0.01 * dice.below(2)
    for leg in body.legs:
        u, v, d = *leg.ankle, leg.toes
        outline = [(-0.036, -shaft), (0.036, -shaft), (0.04, 0.0), (0.085, 0.018), (0.118, 0.04)]
        outline += [(0.115, 0.044 + sole), (-0.042, 0.044 + sole), (-0.044, 0.01)]
        edge = [(u - d * 0.04, v + 0.04), (u + d * 0.112, v + 0.04)]
        brush.paint(SHOE, [figures.rounded([(u + d * a, v + b) for a, b in outline])], colour, kind, [edge])


def _bag(brush: Brush, body: Body, colour: Colour) -> None:
    """Paint a handbag at the lower one of the hands: a body and a short handle."""
    dice = brush.dice
    arm = max(body.arms, key=lambda arm: arm.hand[1])
    u, v = arm.hand
    half, height = dice.between(0.078, 0.1), dice.between(0.12, 0.155)
    top, slope = v + 0.035, dice.between(0.75, 1.0)
    case = [(u - half * slope, top), (u + half * slope, top), (u + half, top + height), (u - half, top + height)]
    ends = [(u - half * 0.6, top + 0.01), (u, v - 0.01), (u + half * 0.6, top + 0.01)]
    handle = figures.limb(ends, [0.011, 0.012, 0.011])
    flap = [(u - half * slope, top + 0.012), (u, top + height * 0.5), (u + half * slope, top + 0.012)]
    kind = dice.pick(("plain", "plain", "noise", "gradient", "checks", "dots"))
    brush.paint(BAG, [figures.rounded(case), handle], colour, kind, [flap] if dice.chance(60) else [flap[::2]])


def _hat(brush: Brush, body: Body, colour: Colour) -> None:
    dice = brush.dice
    r, kind = body.head, dice.pick(("brim", "cap", "beanie"))
    cloth = dice.pick(("plain", "plain", "noise", "vertical", "horizontal", "checks", "dots"))
    if kind == "brim":
        wide = dice.between(0.12, 0.145)
        crown = [(-r * 0.95, 0.055), (-r * 0.85, -0.03), (0.0, -0.045), (r * 0.85, -0.03), (r * 0.95, 0.055)]
        band = [(-r * 0.93, 0.032), (0.0, 0.042), (r * 0.93, 0.032)]
        brush.paint(HAT, [figures.rounded(crown), figures.oval(0, 0.052, wide, 0.024)], colour, cloth, [band])
    elif kind == "cap":
        crown = figures.oval(0, 0.058, r * 1.1, 0.085, 180, 360)
        peak = [(-r * 0.2, 0.045), (r * 1.0, 0.035), (r * 1.95, 0.062), (r * 1.9, 0.072), (r * 0.9, 0.075)]
        peak.append((-r * 0.3, 0.07))
        brush.paint(HAT, [crown, figures.rounded(peak)], colour, cloth, [[(0.0, -0.02), (r * 0.1, 0.04)]])
    else:
        crown = figures.oval(0, 0.05, r * 1.1, 0.1, 180, 360) + [(r * 1.14, 0.072), (0.0, 0.062), (-r * 1.14, 0.072)]
        ball = figures.oval(0, -0.055, 0.024, 0.024)
        brush.paint(HAT, [crown, ball], colour, cloth, [[(-r * 1.1, 0.045), (0.0, 0.035), (r * 1.1, 0.045)]])
