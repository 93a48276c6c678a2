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

_LEFT_FREE_BY_TEXTFOOLER = """
be because did do does doing each few further had has have having ma own re should so some very will
he'd he'll he's i'd i'll i'm i've it'd it'll m she'd she'll they'd they'll they're they've we'd we'll we're we've
"""

_ADDED_BY_TEXTFOOLER = """
one first next per hundred least none nothing nobody noone anyone anything anyhow anyway anywhere
everyone everything everywhere something somehow sometime somewhere whoever whose whatever whenever wherever whether
another other others either neither else elsewhere however although otherwise
across after afterwards along already also almost alone among amongst around back before beforehand behind beside besides
between beyond due during except onto toward towards throughout thru unless upon within without yet
hence hereafter hereby herein hereupon thence thereafter thereby therefore therein thereupon thus
whence whereafter whereas whereby wherein whereupon whither whole
former formerly latter latterly meanwhile moreover mostly namely never nevertheless nowhere indeed even ever empty enough
cannot could may mine must please used would
"""

TEXTFOOLER: frozenset[str] = (ENGLISH - frozenset(_LEFT_FREE_BY_TEXTFOOLER.split())) | frozenset(
    _ADDED_BY_TEXTFOOLER.split()
)
"""The words that TextFooler's published implementation, and TextAttack's recipe, leave alone (266 words)."""
