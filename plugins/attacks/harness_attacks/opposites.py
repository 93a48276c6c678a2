"""Words that must not stand for one another: swapping them turns the meaning around."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

Opposed = Callable[[str, str], bool]

_PRAISE_WORDS = """
good great excellent wonderful amazing brilliant superb fantastic terrific outstanding splendid fine best better nice lovely
beautiful delightful enjoyable entertaining interesting exciting fun funny engaging fascinating gripping moving charming
clever smart intelligent witty original fresh strong rich deep happy glad joyful pleasant pleasing satisfying impressive
love loved loves like liked enjoy enjoyed admire recommend recommended succeed succeeds success successful win winner
right correct true honest safe useful helpful healthy clean clear easy bright warm full alive
"""

_BLAME_WORDS = """
bad awful terrible horrible dreadful atrocious abysmal dire lousy poor worst worse nasty ugly hideous unpleasant painful
boring dull tedious bland uninteresting lifeless tiresome annoying irritating disappointing unfunny unoriginal stale weak
shallow stupid dumb silly idiotic foolish pointless useless worthless sad unhappy miserable unsatisfying forgettable
hate hated hates dislike disliked loathe despise avoid fail fails failure unsuccessful lose loser
wrong incorrect false dishonest dangerous harmful sick dirty unclear hard dark cold empty dead
"""


_PRAISE, _BLAME = frozenset(_PRAISE_WORDS.split()), frozenset(_BLAME_WORDS.split())


def polar(one: str, other: str) -> bool:
    """Whether one of two words praises and the other blames.

    >>> polar("Good", "horrible")
    True
    """
    one, other = one.lower(), other.lower()
    return (one in _PRAISE and other in _BLAME) or (one in _BLAME and other in _PRAISE)


@lru_cache(maxsize=1)
def opposed() -> Opposed:
    """Whether two words are opposites, by WordNet (direct, and through similar adjectives) or by polarity.

    Raises:
        harness.errors.InputError: WordNet is not installed.
    """
    from harness_attacks.wordnet import wordnet

    net = wordnet()
    return lru_cache(maxsize=2**16)(lambda one, other: polar(one, other) or net.opposed(one, other))
