"""TextAttack's augmenters as a generator."""
# ruff: noqa: NPY002 - it draws from the global generator, so that is what the test looks at

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.components import Rejected, SyntheticExample

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # TextAttack and flair warn at import, of things that are theirs
]


@pytest.fixture(scope="module", autouse=True)
def stop_words():
    """NLTK's stop words from a package that carries them, where they are not installed."""
    nltk = pytest.importorskip("nltk")
    try:
        nltk.data.find("corpora/stopwords")
    except LookupError:
        carried = pytest.importorskip("llama_index.core")
        nltk.data.path.append(str(Path(carried.__file__).parent / "_static" / "nltk_cache"))
    pytest.importorskip("flair")


@pytest.mark.parametrize("method", ["character-swap", "delete"])
def test_originals_are_augmented_under_the_seed_and_nothing_else_is_disturbed(method, uus, make_task):
    generator = harness.component("generator", "augment", method=method, share=0.2)
    generator.preflight()
    task = make_task()
    random.seed(7)
    np.random.seed(7)
    expected = (random.random(), np.random.random())
    random.seed(7)
    np.random.seed(7)
    found = list(generator.generate(uus[:6], task, seed=0))
    assert (random.random(), np.random.random()) == expected
    made = [item for item in found if isinstance(item, SyntheticExample)]
    assert len(made) >= 8
    for sample in made:
        original = uus[sample.uu].example
        assert sample.example.label == original.label
        assert sample.example.text != original.text
    assert found == list(generator.generate(uus[:6], task, seed=0))
    assert len(made) + sum(isinstance(item, Rejected) for item in found) == 12
    alone = [s for s in generator.generate(uus[:1], task, seed=0) if isinstance(s, SyntheticExample)]
    assert alone == [s for s in made if s.uu == 0]


def test_missing_data_is_one_message(uus, make_task):
    import nltk

    from harness.errors import InputError

    try:
        nltk.data.find("corpora/wordnet")
    except LookupError:
        with pytest.raises(InputError, match="wordnet"):
            harness.component("generator", "augment", method="wordnet").preflight()
    else:
        assert list(harness.component("generator", "augment", method="wordnet").generate(uus[:1], make_task(), seed=0))
