"""Low-rank adapters: of decoders and of an encoder, trained, kept, merged, gone on from, and refused."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.errors import InputError
from harness.models import keeping
from harness.testing import reviews

pytest.importorskip("peft")

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
HEADS = {"num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 64}
FAMILIES = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", SMALL | HEADS),  # no padding token
    "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", SMALL | HEADS | {"pad_token_id": 0, "sliding_window": 16}),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", SMALL | HEADS),
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}),
    "bert": ("BertConfig", "BertForMaskedLM", SMALL | {"max_position_embeddings": 64, "pad_token_id": 0}),
}
TRAIN, TEXTS = (
    reviews(24),
    ["film", *(e.text for e in reviews(5, seed=1)), " ".join(e.text for e in reviews(3, seed=2))],
)


def write(folder: Path, family: str) -> Path:
    import torch
    import transformers as hf
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    special = ["[PAD]", "</s>", "[UNK]"]
    words.train_from_iterator([e.text for e in reviews(40)], trainers.WordLevelTrainer(special_tokens=special))
    padding = {"pad_token": "[PAD]"} if family in ("gemma3", "bert") else {}
    tokenizer = hf.PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="</s>", unk_token="[UNK]", model_max_length=64, **padding
    )
    config, model, options = FAMILIES[family]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = getattr(hf, config)(
            vocab_size=len(words.get_vocab()), bos_token_id=1, eos_token_id=1, initializer_range=0.2, **options
        )
        getattr(hf, model)(made).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    root, made = tmp_path_factory.mktemp("decoders"), {}

    def checkpoint(family: str) -> Path:
        if family not in made:
            made[family] = write(root / family, family)
        return made[family]

    return checkpoint


def model(folder: Path, **adapter):
    adapter = {"rank": 4, "dropout": 0.1} | adapter
    options = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02, "device": "cpu"}
    return harness.component("model", "transformers", checkpoint=str(folder), adapter=adapter, **options)


@pytest.mark.parametrize("family", FAMILIES)
def test_an_adapter_learns_and_is_all_that_is_kept(checkpoints, tmp_path, family):
    component = model(checkpoints(family))
    made = component.fine_tune(TRAIN, num_labels=2, seed=0)
    probs = made.predict_proba(TEXTS)
    right = made.predict_proba([e.text for e in TRAIN]).argmax(axis=1) == [e.label for e in TRAIN]
    assert right.mean() > 0.7
    alone = np.concatenate([made.predict_proba([text]) for text in TEXTS])
    assert np.abs(alone - probs).max() < 1e-5  # the last token of a text is read, not what fills up the batch
    assert made.embed(TEXTS).shape == (len(TEXTS), 32)
    made.save(tmp_path / "kept")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["adapter.json", "adapter.safetensors"]
    kept = component.load(tmp_path / "kept")
    assert np.array_equal(kept.predict_proba(TEXTS), probs)
    assert not any("lora" in name for name, _ in kept.model.named_parameters())
    kept.save(tmp_path / "again")
    first, second = ((tmp_path / name / "adapter.safetensors").read_bytes() for name in ("kept", "again"))
    assert first == second


def test_merged_weights_of_an_encoder_are_run_packed(checkpoints):
    made = model(checkpoints("bert")).fine_tune(TRAIN[:8], num_labels=2, seed=0)
    assert made.batch_invariant


def test_only_adapters_and_the_head_have_changed(checkpoints, tmp_path):
    import torch
    from safetensors.torch import load_file

    made = model(checkpoints("llama"), layers=["q_proj"]).fine_tune(TRAIN[:8], num_labels=2, seed=0)
    before = load_file(checkpoints("llama") / "model.safetensors")
    after = made.model.state_dict()
    changed = {name for name in before.keys() & after.keys() if not torch.equal(before[name], after[name])}
    assert changed == {f"model.layers.{i}.self_attn.q_proj.weight" for i in (0, 1)}
    made.save(tmp_path)
    kept = load_file(tmp_path / "adapter.safetensors")
    assert {name.split(".")[-4] for name in kept if "lora" in name} == {"q_proj"}
    assert len(kept) == 2 * 2 + 1  # two matrices in each of two layers, and the head


def test_training_that_was_killed_goes_on_with_the_same_bits(checkpoints, tmp_path, monkeypatch):
    """Killed after the fifth of nine steps; dropout's generators are among what is kept."""
    from harness.models import training

    monkeypatch.setattr(keeping, "EVERY", 0.0)
    monkeypatch.setattr(keeping, "SHARE", 0)
    component = model(checkpoints("gemma3"))
    whole = component.fine_tune(TRAIN, num_labels=2, seed=3).predict_proba(TEXTS)
    step, taken = training._Run._step, []

    def killed(self, rows, done):
        if done == 5:
            raise KeyboardInterrupt
        taken.append(done)
        return step(self, rows, done)

    monkeypatch.setattr(training._Run, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        component.fine_tune_resumable(TRAIN, num_labels=2, seed=3, unfinished=tmp_path)
    monkeypatch.setattr(
        training._Run, "_step", lambda self, rows, done: (taken.append(done), step(self, rows, done))[1]
    )
    again = component.fine_tune_resumable(TRAIN, num_labels=2, seed=3, unfinished=tmp_path)
    assert taken == list(range(9))
    assert np.array_equal(again.predict_proba(TEXTS), whole)
    (state,) = tmp_path.iterdir()
    assert state.stat().st_size < (checkpoints("gemma3") / "model.safetensors").stat().st_size


def test_embeddings_of_the_last_token(checkpoints):
    component = harness.component(
        "model", "transformers", checkpoint=str(checkpoints("llama")), pooling="last", device="cpu"
    )
    batched = component.embed(TEXTS)
    assert np.abs(batched - np.concatenate([component.embed([text]) for text in TEXTS])).max() < 1e-5


def test_what_cannot_be_adapted_is_one_message(checkpoints, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"no linear layers called 'q_porj' .*Did you mean 'q_proj'"):
        model(checkpoints("llama"), layers=["q_porj"]).fine_tune(TRAIN[:4], num_labels=2, seed=0)
    with pytest.raises(InputError, match="holds no adapter"):
        model(checkpoints("llama")).load(tmp_path)
    with pytest.raises(InputError, match="rank"):
        model(checkpoints("llama"), rank=0)
    with pytest.raises(InputError, match="adapter"):
        harness.component("model", "linear", adapter={"rank": 4})
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "peft" else find(name, *a))
    with pytest.raises(InputError, match=r"needs the package 'peft'.*\n.*bliss-harness\[peft\]"):
        model(checkpoints("llama")).preflight()
