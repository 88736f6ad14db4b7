"""Drawings of the demo world: portraits and posters, made of Pillow shapes, the same bytes for the same seed.

The drawing shows the craft that its score contains: with more craft come fuller colours, deeper contrast and
steadier lines; with less, washed-out colours and a trembling hand.

Belongs here: shapes and palettes. Does not: who is drawn and with how much craft (world), or where a picture is
served.
"""

import colorsys
import io
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

SIZE = (112, 158)
QUALITY = 80
_WIDE, _TALL = 224, 316  # the canvas; shrinking it smooths every edge

Colour = tuple[int, int, int]
Point = tuple[float, float]
Box = tuple[float, float, float, float]

HAIR_HUES = (0.02, 0.07, 0.1, 0.13, 0.36, 0.52, 0.6, 0.68, 0.78, 0.9, 0.95)
SKINS = ((0.075, 0.86), (0.07, 0.78), (0.065, 0.66), (0.06, 0.5), (0.08, 0.9))


@dataclass(frozen=True)
class Hand:
    """How an artist draws: from craft come saturation, contrast and how much a line trembles."""

    rng: random.Random
    craft: float

    @property
    def skill(self) -> float:
        """Return the craft squeezed between 0 and 1."""
        return 1 / (1 + math.exp(-1.2 * self.craft))

    def colour(self, hue: float, light: float, strength: float = 1.0) -> Colour:
        """Return a colour; without skill it is pale and close to middle grey."""
        saturation = strength * (0.14 + 0.64 * self.skill)
        lightness = 0.56 + (light - 0.56) * (0.45 + 0.65 * self.skill)
        red, green, blue = colorsys.hls_to_rgb(hue % 1, min(max(lightness, 0.02), 0.98), min(saturation, 1))
        return round(red * 255), round(green * 255), round(blue * 255)

    def tremble(self, points: list[Point]) -> list[Point]:
        """Return the points, moved by an unsteady hand."""
        reach = 7 * (1 - self.skill)
        return [(x + self.rng.uniform(-reach, reach), y + self.rng.uniform(-reach, reach)) for x, y in points]

    @property
    def ink(self) -> Colour:
        """Return the colour of outlines."""
        return self.colour(0.68, 0.08, 0.5)

    @property
    def pen(self) -> int:
        """Return the width of outlines; an unskilled hand does not keep it."""
        return 4 if self.skill > 0.5 else self.rng.choice((2, 3, 5, 6))


class Canvas:
    """A sheet of paper and the hand that draws on it."""

    def __init__(self, hand: Hand, hue: float, light: float) -> None:
        self.hand = hand
        self.image = Image.new("RGB", (_WIDE, _TALL), hand.colour(hue, light))
        self._pen = ImageDraw.Draw(self.image)

    def shape(self, points: list[Point], fill: Colour, *, outline: bool = True) -> None:
        """Draw a filled polygon, by default with an inked outline."""
        moved = self.hand.tremble(points)
        self._pen.polygon(moved, fill=fill)
        if outline:
            self._pen.line([*moved, moved[0]], fill=self.hand.ink, width=self.hand.pen, joint="curve")

    def oval(self, box: Box, fill: Colour, *, outline: bool = True, steps: int = 22) -> None:
        """Draw a filled oval as a polygon, so that it trembles too."""
        x, y, rx, ry = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, (box[2] - box[0]) / 2, (box[3] - box[1]) / 2
        turns = [2 * math.pi * i / steps for i in range(steps)]
        self.shape([(x + rx * math.cos(t), y + ry * math.sin(t)) for t in turns], fill, outline=outline)

    def dot(self, x: float, y: float, rx: float, ry: float, fill: Colour) -> None:
        """Draw a small filled oval without outline."""
        self._pen.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)

    def stroke(self, points: list[Point], fill: Colour, width: int = 4) -> None:
        """Draw a line."""
        self._pen.line(self.hand.tremble(points), fill=fill, width=width, joint="curve")

    def bands(self, top: float, bottom: float, upper: Colour, lower: Colour, steps: int = 16) -> None:
        """Draw a sky that fades from one colour to another."""
        for i in range(steps):
            y0, y1 = top + (bottom - top) * i / steps, top + (bottom - top) * (i + 1) / steps
            part = i / (steps - 1)
            red, green, blue = (round(a + (b - a) * part) for a, b in zip(upper, lower, strict=True))
            self._pen.rectangle((0, y0, _WIDE, y1), fill=(red, green, blue))

    def jpeg(self, size: tuple[int, int]) -> bytes:
        """Return the picture as a JPEG file of that size."""
        small = self.image.resize(size, Image.Resampling.BOX) if size != (_WIDE, _TALL) else self.image
        file = io.BytesIO()
        small.save(file, "JPEG", quality=QUALITY)
        return file.getvalue()


def portrait(seed: str, craft: float, size: tuple[int, int] = SIZE) -> bytes:
    """Return a portrait as JPEG: the same seed, craft and size give the same bytes."""
    rng = random.Random(f"portrait {seed}")
    hand = Hand(rng, craft)
    hair, cloth = rng.choice(HAIR_HUES), rng.random()
    paper = Canvas(hand, cloth + 0.5, rng.uniform(0.62, 0.85))
    _backdrop(paper, cloth + 0.5)
    hair_colour = hand.colour(hair, rng.choice((0.2, 0.35, 0.5, 0.75)))
    _back_hair(paper, hair_colour)
    _clothes(paper, cloth)
    _face(paper, rng.choice(SKINS), rng.choice((0.08, 0.3, 0.55, 0.62, 0.78, 0.97)))
    _front_hair(paper, hair_colour)
    rng.choice(ORNAMENTS)(paper, cloth + rng.choice((0.33, 0.5)))
    return paper.jpeg(size)


def _backdrop(paper: Canvas, hue: float) -> None:
    rng, hand = paper.hand.rng, paper.hand
    match rng.randrange(3):
        case 0:
            paper.dot(112, 130, 104, 104, hand.colour(hue + 0.05, 0.9))
        case 1:
            for x in range(-40, 260, 44):
                paper.shape([(x, 0), (x + 20, 0), (x + 90, 316), (x + 70, 316)], hand.colour(hue, 0.88), outline=False)
        case _:
            for _ in range(14):
                paper.dot(rng.uniform(0, 224), rng.uniform(0, 316), 9, 9, hand.colour(hue + 0.08, 0.92))


def _back_hair(paper: Canvas, colour: Colour) -> None:
    match paper.hand.rng.randrange(4):
        case 0:
            paper.oval((42, 34, 182, 206), colour)
        case 1:
            paper.shape([(52, 90), (70, 44), (112, 30), (154, 44), (172, 90), (186, 286), (38, 286)], colour)
        case 2:
            paper.oval((46, 36, 178, 176), colour)
            for x in (26, 156):
                paper.oval((x, 90, x + 42, 236), colour)
        case _:
            spikes = [(40, 120), (26, 72), (62, 66), (58, 22), (100, 40), (124, 10), (144, 42), (190, 30), (176, 74)]
            paper.shape([*spikes, (204, 84), (184, 128), (160, 180), (64, 180)], colour)


def _clothes(paper: Canvas, hue: float) -> None:
    hand = paper.hand
    main, trim = hand.colour(hue, 0.42), hand.colour(hue + 0.45, 0.8)
    paper.shape([(14, 326), (34, 256), (84, 230), (140, 230), (190, 256), (210, 326)], main)
    match hand.rng.randrange(4):
        case 0:
            paper.shape([(84, 230), (112, 286), (140, 230), (160, 242), (112, 316), (64, 242)], trim)
        case 1:
            paper.oval((74, 216, 150, 256), trim)
        case 2:
            paper.shape([(80, 232), (112, 252), (144, 232), (150, 250), (112, 272), (74, 250)], trim)
            for y in (284, 304):
                paper.dot(112, y, 5, 5, trim)
        case _:
            for x in (60, 112, 164):
                paper.shape([(x - 8, 240), (x + 8, 240), (x + 10, 320), (x - 10, 320)], trim, outline=False)


def _face(paper: Canvas, skin: tuple[float, float], eyes: float) -> None:
    hand = paper.hand
    colour, shade = hand.colour(skin[0], skin[1], 0.6), hand.colour(skin[0], skin[1] - 0.12, 0.7)
    paper.shape([(94, 186), (130, 186), (134, 244), (112, 256), (90, 244)], shade)
    for x in (54, 170):
        paper.oval((x - 11, 120, x + 11, 152), colour)
    cheeks: list[Point] = [
        (58, 100), (66, 62), (112, 48), (158, 62), (166, 100), (164, 142), (146, 178), (112, 202), (78, 178), (60, 142),
    ]  # fmt: skip
    paper.shape(cheeks, colour)
    _eyes(paper, eyes)
    blush = hand.colour(0.98, skin[1] - 0.08, 0.9)
    for x in (74, 150):
        paper.dot(x, 164, 11, 5, blush)
    paper.stroke([(112, 156), (109, 163)], shade, 4)
    mouths: tuple[list[Point], ...] = (
        [(100, 178), (112, 184), (124, 178)], [(102, 181), (122, 181)], [(102, 180), (112, 176), (122, 182)],
    )  # fmt: skip
    if hand.rng.random() < 0.25:
        paper.dot(112, 181, 9, 7, hand.ink)
        paper.dot(112, 184, 6, 3, hand.colour(0.98, 0.55))
    else:
        paper.stroke(hand.rng.choice(mouths), hand.ink, 4)


def _eyes(paper: Canvas, hue: float) -> None:
    hand = paper.hand
    white, iris, deep = hand.colour(0.6, 0.98, 0.1), hand.colour(hue, 0.45), hand.colour(hue, 0.1)
    tall = hand.rng.choice((15, 19, 22))
    closed = hand.rng.random() < 0.08
    for x in (84, 140):
        if closed:
            paper.stroke([(x - 15, 134), (x, 142), (x + 15, 134)], hand.ink, 5)
        else:
            paper.dot(x, 136, 16, tall, white)
            paper.dot(x, 138, 11, tall - 2, iris)
            paper.dot(x, 141, 6, tall / 2, deep)
            paper.dot(x - 4, 129, 4, 5, white)
            paper.stroke([(x - 18, 128), (x - 8, 136 - tall), (x + 8, 136 - tall), (x + 18, 128)], hand.ink, 5)
        paper.stroke([(x - 14, 104), (x + 12, 101 + hand.rng.randint(-3, 5))], hand.ink, 4)


def _front_hair(paper: Canvas, colour: Colour) -> None:
    fringes: tuple[list[Point], ...] = (
        [(54, 112), (56, 62), (112, 32), (168, 62), (170, 112), (152, 84), (138, 104), (118, 80), (96, 106), (78, 82)],
        [(52, 128), (54, 60), (112, 30), (170, 60), (172, 128), (158, 90), (112, 94), (66, 90)],
        [(52, 120), (56, 58), (118, 30), (170, 62), (172, 124), (160, 92), (132, 72), (92, 96), (66, 98)],
        [
            (50, 110),
            (44, 56),
            (84, 50),
            (92, 18),
            (126, 40),
            (166, 26),
            (172, 62),
            (176, 110),
            (146, 82),
            (112, 98),
            (82, 80),
        ],
    )
    paper.shape(paper.hand.rng.choice(fringes), colour)


def _no_ornament(paper: Canvas, hue: float) -> None:
    """Draw nothing: not everybody wears something in their hair."""


def _hairpin(paper: Canvas, hue: float) -> None:
    reach = [(15 if t % 2 else 7, t * math.pi / 5) for t in range(10)]
    star = [(62 + far * math.sin(turn), 74 - far * math.cos(turn)) for far, turn in reach]
    paper.shape(star, paper.hand.colour(hue, 0.6))


def _glasses(paper: Canvas, hue: float) -> None:
    ink = paper.hand.colour(hue, 0.2)
    for x in (84, 140):
        ring = [(x + 24 * math.cos(t / 3), 137 + 23 * math.sin(t / 3)) for t in range(20)]
        paper.stroke(ring, ink, 4)
    paper.stroke([(107, 136), (117, 136)], ink, 4)


def _ribbon(paper: Canvas, hue: float) -> None:
    colour = paper.hand.colour(hue, 0.5)
    paper.shape([(112, 38), (76, 12), (70, 52)], colour)
    paper.shape([(112, 38), (148, 12), (154, 52)], colour)
    paper.oval((100, 26, 124, 50), colour)


def _hat(paper: Canvas, hue: float) -> None:
    colour = paper.hand.colour(hue, 0.35)
    paper.shape([(66, 62), (76, 10), (148, 10), (158, 62)], colour)
    paper.oval((36, 48, 188, 82), colour)


ORNAMENTS: tuple[Callable[[Canvas, float], None], ...] = (_no_ornament, _no_ornament, _hairpin, _glasses, _ribbon, _hat)


def poster(seed: str, craft: float, genres: Sequence[str], size: tuple[int, int] = SIZE) -> bytes:
    """Return a poster as JPEG, its scene chosen by the first genre that has one; same arguments, same bytes."""
    rng = random.Random(f"poster {seed}")
    hand = Hand(rng, craft)
    hue = rng.random()
    paper = Canvas(hand, hue, 0.7)
    paper.bands(0, 316, hand.colour(hue, rng.choice((0.2, 0.4, 0.6))), hand.colour(hue + rng.choice((0.1, 0.45)), 0.82))
    sun = (rng.uniform(50, 174), rng.uniform(50, 110), rng.uniform(22, 46))
    paper.dot(sun[0], sun[1], sun[2], sun[2], hand.colour(hue + 0.12, 0.93))
    next((SCENES[genre] for genre in genres if genre in SCENES), _hills)(paper, hue + 0.5)
    _passer_by(paper, hue + rng.choice((0.3, 0.6)))
    _title_block(paper, hue)
    return paper.jpeg(size)


def _hills(paper: Canvas, hue: float) -> None:
    rng = paper.hand.rng
    for layer, light in enumerate((0.62, 0.45, 0.28)):
        y = 170 + 34 * layer
        peaks: list[Point] = [(x, y + rng.uniform(-34, 22)) for x in range(0, 260, 32)]
        paper.shape([(-12, 330), (-12, y), *peaks, (240, 330)], paper.hand.colour(hue + 0.03 * layer, light))


def _sea(paper: Canvas, hue: float) -> None:
    for layer, light in enumerate((0.6, 0.48, 0.34, 0.22)):
        y = 176 + 30 * layer
        waves: list[Point] = [(x, y + 9 * math.sin(x / 17 + layer * 2)) for x in range(-12, 250, 9)]
        paper.shape([*waves, (250, 330), (-12, 330)], paper.hand.colour(hue + 0.02 * layer, light), outline=layer == 0)
    x, hull, sail = (
        paper.hand.rng.choice((8, 150)),
        paper.hand.colour(hue + 0.4, 0.4),
        paper.hand.colour(hue + 0.4, 0.92),
    )
    paper.shape([(x, 168), (x + 62, 168), (x + 50, 188), (x + 12, 188)], hull)
    paper.shape([(x + 30, 160), (x + 30, 96), (x + 62, 156)], sail)


def _city(paper: Canvas, hue: float) -> None:
    rng, hand = paper.hand.rng, paper.hand
    for x in range(-6, 224, 34):
        top = rng.uniform(120, 220)
        paper.shape([(x, 330), (x, top), (x + 30, top), (x + 30, 330)], hand.colour(hue, rng.choice((0.22, 0.3, 0.4))))
        for y in range(int(top) + 12, 290, 24):
            if rng.random() < 0.6:
                paper.dot(x + 10, y, 4, 5, hand.colour(0.14, 0.8))
                paper.dot(x + 21, y, 4, 5, hand.colour(0.14, 0.7))


def _stars(paper: Canvas, hue: float) -> None:
    rng, hand = paper.hand.rng, paper.hand
    for _ in range(36):
        size = rng.uniform(1.5, 4)
        paper.dot(rng.uniform(0, 224), rng.uniform(0, 230), size, size, hand.colour(0.15, 0.97))
    paper.oval((118, 116, 198, 196), hand.colour(hue, 0.45), steps=26)
    paper.stroke([(100, 176), (150, 164), (216, 138)], hand.colour(hue + 0.3, 0.85), 9)
    paper.oval((-60, 230, 290, 480), hand.colour(hue + 0.1, 0.3))


def _room(paper: Canvas, hue: float) -> None:
    hand = paper.hand
    paper.shape([(0, 240), (224, 240), (224, 330), (0, 330)], hand.colour(hue, 0.34))
    for x in (24, 128):
        paper.shape([(x, 60), (x + 72, 60), (x + 72, 176), (x, 176)], hand.colour(hue + 0.5, 0.9))
        paper.stroke([(x + 36, 60), (x + 36, 176)], hand.ink, 4)
        paper.stroke([(x, 118), (x + 72, 118)], hand.ink, 4)
    paper.oval((142, 196, 206, 238), hand.colour(hue + 0.25, 0.5))


SCENES: dict[str, Callable[[Canvas, float], None]] = {
    "Fantasy": _hills, "Sci-Fi": _stars, "Slice of Life": _room, "Sports": _hills, "Mystery": _city,
    "Adventure": _sea, "Romance": _sea, "Comedy": _room,
}  # fmt: skip


def _passer_by(paper: Canvas, hue: float) -> None:
    """Draw one or two small figures seen from behind."""
    rng, hand = paper.hand.rng, paper.hand
    places = ((112,), (78, 146))[rng.randrange(2)]
    for x in places:
        tall = rng.uniform(0.85, 1.15)
        coat, hair = hand.colour(hue + rng.uniform(-0.1, 0.1), 0.45), hand.colour(rng.choice(HAIR_HUES), 0.3)
        foot = 292.0
        hip, neck = foot - 26 * tall, foot - 84 * tall
        paper.stroke([(x - 7, hip), (x - 8, foot)], hand.ink, 8)
        paper.stroke([(x + 7, hip), (x + 8, foot)], hand.ink, 8)
        paper.shape([(x - 12, neck), (x + 12, neck), (x + 25, hip + 6), (x - 25, hip + 6)], coat)
        paper.oval((x - 18, neck - 36, x + 18, neck + 4), hair)


def _title_block(paper: Canvas, hue: float) -> None:
    """Draw a line of strokes that look like letters from afar."""
    rng, hand = paper.hand.rng, paper.hand
    y, count = rng.choice((18, 26)), rng.randint(4, 7)
    ink = hand.colour(hue + 0.5, 0.95)
    wide = 190 / count
    for i in range(count):
        x = 17 + i * wide
        corners: list[Point] = [
            (x, y),
            (x + wide * 0.7, y),
            (x, y + 24),
            (x + wide * 0.7, y + 24),
            (x + wide * 0.35, y + 12),
        ]
        joined = rng.sample(corners, 4)
        paper.stroke(joined, hand.ink, 11)
        paper.stroke(joined, ink, 6)
    paper.stroke([(30, y + 40), (194, y + 40)], ink, 4)
