"""Families of checkpoints that transformers knows: each works in every way, or gives one message of ours."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import harness
from harness.errors import HarnessError, InputError
from harness.testing.classifier import reviews

VOCABULARY = 300
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
ENDS = {"bos_token_id": 1, "eos_token_id": 1}

# Family: configuration class, its options, and what its tokenizer does.
FAMILIES = {
    "bert": ("BertConfig", SMALL | {"max_position_embeddings": 64}, "segments"),
    "roberta": (
        "RobertaConfig",
        SMALL | ENDS | {"max_position_embeddings": 65, "type_vocab_size": 1, "pad_token_id": 0},
        "around",
    ),
    "roberta with segments": (
        "RobertaConfig",
        SMALL | ENDS | {"max_position_embeddings": 65, "type_vocab_size": 1, "pad_token_id": 0},
        "segments",
    ),
    "distilbert": (
        "DistilBertConfig",
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64},
        "around",
    ),
    "distilbert with segments": (
        "DistilBertConfig",
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": 64},
        "segments",
    ),
    "deberta-v3": (
        "DebertaV2Config",
        SMALL
        | {
            "max_position_embeddings": 64,
            "relative_attention": True,
            "position_buckets": 16,
            "norm_rel_ebd": "layer_norm",
        }
        | {"pos_att_type": ["p2c", "c2p"], "share_att_key": True, "position_biased_input": False, "type_vocab_size": 0}
        | {"pooler_hidden_size": 32},
        "segments",
    ),
    "electra": ("ElectraConfig", SMALL | {"embedding_size": 16, "max_position_embeddings": 64}, "segments"),
    "albert": ("AlbertConfig", SMALL | {"embedding_size": 16, "max_position_embeddings": 64}, "segments"),
    "mpnet": ("MPNetConfig", SMALL | {"max_position_embeddings": 66, "pad_token_id": 0}, "around"),
    "xlnet": ("XLNetConfig", {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "pad_token_id": 0}, "last"),
    "modernbert": (
        "ModernBertConfig",
        SMALL | ENDS | {"max_position_embeddings": 64, "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 1},
        "around",
    ),
    "gpt2": ("GPT2Config", ENDS | {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 64}, "bare"),
    "llama": ("LlamaConfig", SMALL | ENDS | {"max_position_embeddings": 64, "num_key_value_heads": 2}, "bare"),
    "llama of old": (  # as its first checkpoints say
        "LlamaConfig",
        SMALL | ENDS | {"max_position_embeddings": 64, "num_key_value_heads": 2, "pad_token_id": -1},
        "bare",
    ),
    "gemma": (
        "GemmaConfig",
        SMALL | ENDS | {"max_position_embeddings": 64, "num_key_value_heads": 2, "head_dim": 16, "pad_token_id": 0},
        "around",
    ),
    "t5": (
        "T5Config",
        {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 2, "num_heads": 2, "pad_token_id": 0, "eos_token_id": 1}
        | {"decoder_start_token_id": 0},
        "end",
    ),
}
CAUSAL = ("gpt2", "llama", "llama of old", "gemma")
SEGMENTED = ("bert", "electra", "albert", "xlnet")


def tokenizer(kind: str):
    """Words as tokens; what stands around them, and what else the tokenizer gives, by kind."""
    import transformers as hf
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from tokenizers.processors import TemplateProcessing

    words = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.WordLevelTrainer(vocab_size=VOCABULARY, special_tokens=["[PAD]", "</s>", "[UNK]"])
    words.train_from_iterator([example.text for example in reviews(40)], trainer)
    single, pair = {
        "around": ("</s> $A </s>", "</s> $A </s> $B </s>"),
        "segments": ("</s> $A </s>", "</s> $A </s> $B:1 </s>:1"),
        "end": ("$A </s>", "$A </s> $B </s>"),
        "last": ("$A </s> </s>:2", "$A </s> $B:1 </s>:1 </s>:2"),
        "bare": ("$A", "$A $B"),
    }[kind]
    words.post_processor = TemplateProcessing(single=single, pair=pair, special_tokens=[("</s>", 1)])
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if kind in ("segments", "last") else [])]
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=words,
        eos_token="</s>",
        unk_token="[UNK]",
        model_max_length=64,
        model_input_names=names,
        padding_side="left" if kind == "last" else "right",
        **({} if kind == "bare" else {"pad_token": "[PAD]"}),
    )


def write(folder: Path, family: str, **changed) -> Path:
    import torch
    import transformers as hf

    name, options, kind = FAMILIES[family]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = getattr(hf, name)(
            vocab_size=VOCABULARY, num_labels=2, **(options | {"initializer_range": 0.2} | changed)
        )
        hf.AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer(kind).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    root, made = tmp_path_factory.mktemp("families"), {}

    def checkpoint(family: str) -> Path:
        if family not in made:
            made[family] = write(root / family.replace(" ", "-"), family)
        return made[family]

    return checkpoint


TEXTS = ["film", *(example.text for example in reviews(5)), " ".join(e.text for e in reviews(4, seed=3))]
PAIRS = list(zip(TEXTS, reversed(TEXTS), strict=True))


def one_by_one(predict, inputs):
    return np.concatenate([predict([text]) for text in inputs])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("inputs", [TEXTS, PAIRS], ids=["single", "pair"])
def test_a_batch_is_predicted_as_transformers_predicts_each_text(checkpoints, family, inputs):
    import torch
    import transformers as hf

    folder = checkpoints(family)
    classifier = harness.load_classifier(folder, device="cpu")
    batched = classifier.predict_proba(inputs)
    assert np.abs(batched - one_by_one(classifier.predict_proba, inputs)).max() < 2e-6
    assert np.ptp(batched[:, 0]) > 1e-3
    stock = hf.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    encode, rows = hf.AutoTokenizer.from_pretrained(folder), []
    for text in inputs:
        given = encode(*([text] if isinstance(text, str) else text), return_tensors="pt")
        if family not in SEGMENTED:  # the model fails on them, or does not look at them
            given.pop("token_type_ids", None)
        with torch.inference_mode():
            rows.append(stock(**given).logits.softmax(dim=-1).numpy())
    assert np.abs(batched - np.concatenate(rows)).max() < 2e-6


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_embeddings_do_not_depend_on_the_batch(checkpoints, family, pooling):
    model = harness.component(
        "model", "transformers", checkpoint=str(checkpoints(family)), pooling=pooling, device="cpu"
    )
    batched = model.embed(TEXTS)
    assert batched.shape == (len(TEXTS), 32)
    assert np.abs(batched - one_by_one(model.embed, TEXTS)).max() < 1e-5
    classifier = harness.load_classifier(checkpoints(family), pooling=pooling, device="cpu")
    assert np.abs(classifier.embed(TEXTS) - batched).max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("paired", [False, True], ids=["single", "pair"])
def test_families_are_fine_tuned_and_come_back_from_disk(checkpoints, tmp_path, family, paired):
    train = [replace(e, text_pair="the plot" if paired else None) for e in reviews(12)]
    inputs = PAIRS if paired else TEXTS
    model = harness.component(
        "model", "transformers", checkpoint=str(checkpoints(family)), epochs=1, batch_size=4, device="cpu",
        learning_rate=1e-3, num_hidden_layers=1,
    )  # fmt: skip
    classifier = model.fine_tune(train, num_labels=2, seed=0)
    probs = classifier.predict_proba(inputs)
    assert (probs == model.fine_tune(train, num_labels=2, seed=0).predict_proba(inputs)).all()
    classifier.save(tmp_path)
    assert (model.load(tmp_path).predict_proba(inputs) == probs).all()
    endless = " ".join(TEXTS * 30)
    assert classifier.predict_proba([(endless, endless) if paired else endless]).shape == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_agrees_or_says_that_it_cannot(checkpoints, family):
    pytest.importorskip("onnxruntime")
    classifier = harness.load_classifier(checkpoints(family), backend="onnx")
    if family in CAUSAL:
        with pytest.raises(HarnessError, match="ForSequenceClassification cannot be exported to ONNX: ") as caught:
            classifier.predict_proba(TEXTS)
        assert "Set `backend: torch`." in str(caught.value)
        return
    expected = harness.load_classifier(checkpoints(family), device="cpu")
    for inputs in (TEXTS, PAIRS):
        assert np.abs(classifier.predict_proba(inputs) - expected.predict_proba(inputs)).max() < 1e-5


@pytest.mark.parametrize("family", ["gpt2", "bert"])
def test_a_text_without_a_token_is_predicted(checkpoints, family):
    assert harness.load_classifier(checkpoints(family), device="cpu").predict_proba(["", "film"]).shape == (2, 2)


def test_norms_of_every_family_are_exempt_from_weight_decay(checkpoints):
    model = harness.component(
        "model",
        "transformers",
        checkpoint=str(checkpoints("gpt2")),
        epochs=1,
        device="cpu",
        learning_rate=1e-9,
        weight_decay=1e8,
    )
    after = model.fine_tune(reviews(8), num_labels=2, seed=0).model.state_dict()
    before = harness.load_classifier(checkpoints("gpt2"), device="cpu").model.state_dict()
    shrunk = {name for name, values in after.items() if values.abs().sum() < 0.99 * before[name].abs().sum()}
    assert shrunk
    assert not {name for name in shrunk if "ln_" in name or name.endswith("bias")}


def test_a_tokenizer_of_more_tokens_than_the_model_is_one_message(checkpoints, tmp_path):
    write(tmp_path, "electra")
    config = json.loads((tmp_path / "tokenizer.json").read_text())
    config["model"]["vocab"] = {
        word: index * 40 if index > 2 else index for word, index in config["model"]["vocab"].items()
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="ElectraForSequenceClassification, the checkpoint's model, failed on a batch"):
        harness.load_classifier(tmp_path, device="cpu").predict_proba(TEXTS)


def test_sentencepiece_files_are_tokenizers(tmp_path):
    from harness.models.checkpoints import resolve

    for name in ("config.json", "model.safetensors", "spiece.model"):
        (tmp_path / name).write_bytes(b"{}")
    resolve(str(tmp_path)).check()
    (tmp_path / "spiece.model").unlink()
    with pytest.raises(InputError, match="has no tokenizer"):
        resolve(str(tmp_path)).check()


# Code that comes with a checkpoint.

CODE = """
from pathlib import Path
Path({marker!r}).write_text("the code of the checkpoint ran")
from transformers import BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast
class OwnConfig(BertConfig):
    model_type = "own"
class OwnModel(BertModel):
    config_class = OwnConfig
class OwnClassifier(BertForSequenceClassification):
    config_class = OwnConfig
class OwnTokenizer(PreTrainedTokenizerFast):
    pass
"""
AUTO = {
    "AutoConfig": "own.OwnConfig",
    "AutoModel": "own.OwnModel",
    "AutoModelForSequenceClassification": "own.OwnClassifier",
    "AutoModelForCausalLM": "own.OwnModel",
}


@pytest.fixture
def with_code(tmp_path, monkeypatch):
    """A checkpoint with code that leaves a mark when it runs, and someone who says yes to every question."""
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "modules"), *sys.path])
    marker, folder = tmp_path / "marker", tmp_path / "own"
    write(folder, "bert")
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))

    def change(model_type: str, *, in_tokenizer: bool) -> None:
        file = folder / ("tokenizer_config.json" if in_tokenizer else "config.json")
        config = json.loads(file.read_text())
        config["auto_map"] = {"AutoTokenizer": [None, "own.OwnTokenizer"]} if in_tokenizer else AUTO
        config |= {"tokenizer_class": "OwnTokenizer"} if in_tokenizer else {"model_type": model_type}
        file.write_text(json.dumps(config))

    return folder, marker, change


@pytest.mark.parametrize("in_tokenizer", [False, True], ids=["model", "tokenizer"])
def test_code_of_a_checkpoint_is_never_run_unasked(with_code, in_tokenizer):
    folder, marker, change = with_code
    change("own", in_tokenizer=in_tokenizer)
    model = harness.component("model", "transformers", checkpoint=str(folder), epochs=1, device="cpu")
    for use in (
        lambda: harness.load_classifier(folder),
        lambda: model.fine_tune(reviews(4), num_labels=2, seed=0),
        lambda: model.embed(TEXTS),
        lambda: model.load(folder),
    ):
        with pytest.raises(
            InputError, match=rf"The checkpoint {folder} needs Python code of its own .* is not run"
        ) as caught:
            use()
        assert "trust_remote_code: true" in str(caught.value)
    assert not marker.exists()


def test_code_for_a_family_that_transformers_knows_is_not_run_either(with_code):
    folder, marker, change = with_code
    change("bert", in_tokenizer=False)
    assert harness.load_classifier(folder).predict_proba(TEXTS).shape == (len(TEXTS), 2)
    assert not marker.exists()


def test_code_that_is_trusted_runs_and_is_part_of_the_identity(with_code):
    folder, marker, change = with_code
    change("own", in_tokenizer=False)
    model = harness.component(
        "model", "transformers", checkpoint=str(folder), epochs=1, device="cpu", trust_remote_code=True
    )
    assert model.identity()["trust_remote_code"] is True
    assert "trust_remote_code" not in harness.component("model", "transformers", checkpoint=str(folder)).identity()
    probs = model.fine_tune(reviews(4), num_labels=2, seed=0).predict_proba(TEXTS)
    assert probs.shape == (len(TEXTS), 2)
    assert marker.exists()
    before = model.identity()
    (folder / "own.py").write_text((folder / "own.py").read_text() + "\n# changed\n")
    assert model.identity() != before


@pytest.mark.parametrize("family", [name for name in FAMILIES if "with" not in name])
def test_a_head_comes_into_the_order_of_the_classes(checkpoints, family):
    from harness.models.classifier import TransformersClassifier
    from harness.models.head import plan_head
    from harness.models.loading import load_for_fine_tuning

    folder = checkpoints(family)
    runtime = harness.load_classifier(folder, device="cpu").runtime

    def probs(labels, wanted="match"):
        plan = plan_head(folder, family, labels, wanted)
        loaded = load_for_fine_tuning(folder, num_labels=2, head=plan, labels=labels)
        return TransformersClassifier(*loaded[:2], runtime=runtime).predict_proba(TEXTS)

    kept, turned = probs(("LABEL_0", "LABEL_1")), probs(("LABEL_1", "LABEL_0"))
    assert np.abs(kept - turned[:, ::-1]).max() < 1e-6
    assert np.abs(kept - probs(("LABEL_0", "LABEL_1"), "new")).max() > 1e-3
