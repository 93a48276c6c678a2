"""English function words that an attack leaves alone.

The default set is the one TextAttack's stop-word constraint uses (the English list of NLTK's ``stopwords`` data, 198 words);
a test compares the two. It is spelt out here so that no NLTK data has to be downloaded.
"""

from __future__ import annotations

_PRONOUNS = """
i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
it its itself they them their theirs themselves who whom what which this that these those
"""

_VERBS = "am is are was were be been being have has had having do does did doing will can should now just don ain"

_PARTICLES = """
a an the and but if or because as until while of at by for with about against between into through during before after
above below to from up down in out on off over under again further then once here there when where why how
all any both each few more most other some such no nor not only own same so than too very
"""

_NEGATED = "aren couldn didn doesn hadn hasn haven isn mightn mustn needn shan shouldn wasn weren won wouldn"

_CONTRACTED = """
i'd i'll i'm i've you'd you'll you're you've he'd he'll he's she'd she'll she's it'd it'll it's
we'd we'll we're we've they'd they'll they're they've that'll should've don't
"""

_FRAGMENTS = "d ll m ma o re s t ve y"

ENGLISH: frozenset[str] = frozenset(
    [
        *" ".join((_PRONOUNS, _VERBS, _PARTICLES, _NEGATED, _CONTRACTED, _FRAGMENTS)).split(),
        *(f"{stem}'t" for stem in _NEGATED.split()),
    ]
)
"""Lower-case stop words. Membership is tested on the word as written: a capitalised word is not one."""
