"""The grammar of the demo world: sentences with gaps, filled from a story's theme, mood and names.

Belongs here: sentence skeletons, and how many of them make a synopsis or a biography of the wanted length. Does
not: the words themselves (words), or who gets how many of them (world).
"""

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from anipop_pipeline.demo import words
from anipop_pipeline.demo.words import Mood, Theme

_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])")

OPENINGS = (
    "In {place}, a {adj} {hero} named {name} is asked to {deed}.",
    "{name} has never left {place}, where a {thing} counts for more than a {adj} word.",
    "Nobody in {place} expects much of {name}, the {adj} {hero} who once tried to {deed}.",
    "When the {adj} {thing} vanishes from {place}, only {name} notices.",
    "Every spring, {place} chooses someone to {deed}, and this year the choice falls on {name}, a {adj} {hero}.",
    "Long after {trouble}, a {adj} {thing} still hangs above the door of {place}.",
    "{name} wanted a {plain} life; instead {they} inherits a {adj} {thing} and a key to {place}.",
    "It begins with a {thing}, {trouble}, and a {adj} stranger at the gate of {place}.",
    "Being a {hero} is all that {name} ever dreamed of, yet {place} is more {adj} than any dream.",
    "After {trouble}, {name} meets a {adj} {hero} who promises to {deed}.",
    "There are two rules in {place}: never touch the {thing}, and never {deed}; {name} breaks both, {adverb}.",
)
MIDDLES = (
    "Together with {friend}, a {hero} with a {adj} laugh, {they} sets out to {deed}.",
    "{Adverb}, {name} learns to {deed}, even as {trouble} draws near.",
    "The {thing} turns out to hold a {adj} secret about {place}.",
    "{friend} would rather {deed} than admit to any {feeling}.",
    "Behind a {plain} {object}, they discover a {adj} {thing} that once belonged to the {hero} of {place}.",
    "Between {place} and {place2} lies nothing but {feeling}, and a {adj} {hero} who knows the way.",
    "Each visitor leaves a {plain} {object} behind, and each one asks {name} to {deed}.",
    "To {deed}, one needs a {thing}, a {adj} heart, and more than a little {feeling}.",
    "But {trouble} changes everything, and {friend} must choose between a {thing} and {feeling}.",
    "{name}'s {relative}, a {adj} {hero}, insists that they {deed} first.",
    "What looks like a {plain} {object} is in truth a {adj} {thing}.",
    "So the two of them {deed}, {adverb}, while {place} looks on.",
    "Meanwhile, rumours of {trouble} fill {place} with {feeling}.",
    "A {adj} {hero} arrives from {place2}, looking for the {thing} and for {friend}.",
    '"If you can {deed}," says the {adj} {hero}, "the {thing} is yours."',
    "{they} has a {thing}, a {plain} {object}, and until sunset to {deed}.",
    "Day after day they {deed}, and {adverb} the {adj} crowd at {place} grows.",
    "No one had told {name} about {trouble}, or about the {adj} {hero} who waits beneath {place}.",
    "With {feeling} and a {thing} in hand, {friend} follows {adverb}.",
)
TURNS = (
    "Then comes {trouble}, and with it a {adj} {feeling} that neither {name} nor {friend} can name.",
    "As {trouble} approaches, the {hero} has to {deed}, or lose {place} for good.",
    "However, a {adj} rival from {place2} also means to {deed}.",
    "Only when the {thing} breaks does {name} understand the {feeling} of {place}.",
    "Now {name} and {friend} have one {adj} night to {deed}.",
    "Soon the question is no longer how to {deed}, but whether {feeling} alone can hold {place} together.",
)
EMPHASES = (
    "A page torn from {book} is the only clue.",
    "Everything {name} knows about it comes from {book}.",
    "{friend} reads aloud from {book} whenever the lights go out.",
)
SHORTS = (
    "A {adj} {hero} tries to {deed}.",
    "{name} and {friend} {deed}.",
    "Short episodes about {place} and a {adj} {thing}.",
    "Shorts shown before the main feature, set in {place}.",
    "A {adj} film about {trouble}.",
)
BIO_OPENINGS = (
    "{name} is a {adj} {hero} from {place}.",
    "A {trait} {hero}, {name} grew up near {place}.",
    "{name} is the {relative} of {friend} and works as a {hero}.",
    "The {adj} protagonist, who wants nothing more than to {deed}.",
    "Known in {place} for {looks}, {name} is a {trait} {hero}.",
)
BIO_MIDDLES = (
    "{They} is {trait} and rather {trait}, but never without a {thing}.",
    "{Their} favourite pastime is {hobby}.",
    "With {looks} and {looks}, {they} is easy to spot in {place}.",
    "{They} once had to {deed}, and still remembers the {adj} {feeling} of that day.",
    "{friend} taught {them} to {deed}, {adverb}.",
    "After {trouble}, {they} moved to {place} with a {plain} {object} and a {thing}.",
    "{They} keeps a {adj} {thing} under the bed, next to a {plain} {object}.",
    "Among friends {they} is called the {adj} one, a name that fills {them} with {feeling}.",
    "{Their} {relative}, also a {hero}, disapproves of {hobby}.",
    "When nobody is watching, {they} likes to {deed}.",
    "{They} is afraid of {trouble}, though {they} would never say so.",
    "Though {trait}, {they} treats every {hero} with {feeling}.",
    "{They} and {friend} share a {adj} history that began at {place}.",
)
TINY_BIOS = ("A classmate of {friend}.", "The {hero}.", "{friend}'s {relative}.", "Lives near {place}.")
SPOILERS = (
    "It is later revealed that {they} was the {adj} {hero} behind {trouble}.",
    "In the last episode, {name} gives the {thing} to {friend} and leaves {place}.",
    "The {thing} was hidden by {their} {relative} all along.",
)


@dataclass(frozen=True)
class Story:
    """What every sentence about one title has in common."""

    theme: Theme
    second: Theme
    mood: Mood
    name: str
    friend: str
    pronoun: str


class _Gaps(dict[str, str]):
    """The gaps of a sentence; one without a fixed filling draws a new word each time."""

    def __init__(self, story: Story, rng: random.Random) -> None:
        she = story.pronoun == "she"
        their, them = ("her", "her") if she else ("his", "him")
        super().__init__(name=story.name, friend=story.friend, they=story.pronoun, their=their, them=them)
        self.update(They=story.pronoun.capitalize(), Their=their.capitalize())
        self._story, self._rng = story, rng

    def __missing__(self, gap: str) -> str:
        if gap == "Adverb":
            return self["adverb"].capitalize()
        theme = self._story.second if self._rng.random() < 0.2 else self._story.theme
        return self._rng.choice(_choices(gap, theme, self._story.mood))


def _choices(gap: str, theme: Theme, mood: Mood) -> Sequence[str]:
    match gap:
        case "hero":
            return theme.heroes
        case "place" | "place2":
            return theme.places
        case "thing":
            return theme.things
        case "deed":
            return theme.deeds
        case "trouble":
            return theme.troubles
        case "adj":
            return mood.adjectives
        case "adverb":
            return mood.adverbs
        case "feeling":
            return mood.feelings
        case _:
            return _EVERYWHERE[gap]


_EVERYWHERE: dict[str, Sequence[str]] = {
    "plain": words.PLAIN_ADJECTIVES,
    "object": words.PLAIN_NOUNS,
    "relative": words.RELATIVES,
    "trait": words.TRAITS,
    "hobby": words.HOBBIES,
    "looks": words.LOOKS,
    "book": words.BOOKS,
}


def sentence(skeleton: str, gaps: _Gaps) -> str:
    """Return the skeleton with every gap filled, its articles mended and its first letter large."""
    mended = _ARTICLE.sub(r"\1n ", skeleton.format_map(gaps))
    return mended[0].upper() + mended[1:]


def _until(wanted: int, sentences: list[str], pool: Sequence[str], gaps: _Gaps, rng: random.Random) -> list[str]:
    """Return the sentences with more of them from the pool, none repeated before all are used."""
    grown = list(sentences)
    count = sum(len(one.split()) for one in grown)
    queue: list[str] = []
    while count < wanted:
        queue = queue or rng.sample(pool, len(pool))
        grown.append(sentence(queue.pop(), gaps))
        count += len(grown[-1].split())
    return grown


def _paragraphs(sentences: list[str], rng: random.Random) -> str:
    """Return the sentences in paragraphs of two to five, parted by an empty line."""
    parts: list[str] = []
    rest = sentences
    while rest:
        size = len(rest) if len(rest) <= 5 else rng.randint(2, 4)
        parts.append(" ".join(rest[:size]))
        rest = rest[size:]
    return "\n\n".join(parts)


def synopsis(story: Story, wanted: int, rng: random.Random) -> str:
    """Return a synopsis of about the wanted number of words, and never fewer than 22."""
    gaps = _Gaps(story, rng)
    end = [story.mood.closings[rng.randrange(len(story.mood.closings))]]
    if wanted > 60:
        end = [sentence(rng.choice(TURNS), gaps), *end]
    if rng.random() < 0.2:
        end = [sentence(rng.choice(EMPHASES), gaps), *end]
    room = max(wanted, 22) - sum(len(one.split()) for one in end)
    told = _until(room, [sentence(rng.choice(OPENINGS), gaps)], MIDDLES, gaps, rng)
    return _paragraphs(told + end, rng)


def short_synopsis(story: Story, rng: random.Random) -> str:
    """Return a synopsis too short to tell a story: one sentence of fewer than 20 words."""
    return sentence(rng.choice(SHORTS), _Gaps(story, rng))


def biography(story: Story, wanted: int, rng: random.Random) -> str:
    """Return a biography of about the wanted number of words."""
    gaps = _Gaps(story, rng)
    told = _until(wanted, [sentence(rng.choice(BIO_OPENINGS), gaps)], BIO_MIDDLES, gaps, rng)
    return _paragraphs(told, rng)


def tiny_biography(story: Story, rng: random.Random) -> str:
    """Return a biography of a few words."""
    return sentence(rng.choice(TINY_BIOS), _Gaps(story, rng))


def spoiler(story: Story, rng: random.Random) -> str:
    """Return a sentence that a kind page hides."""
    return sentence(rng.choice(SPOILERS), _Gaps(story, rng))
