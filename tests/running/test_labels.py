"""A checkpoint with a head on data that orders its classes otherwise: matched by name, or refused before any work."""

import csv
import json

import pytest

import harness
from harness.errors import InputError
from harness.suite import parse_suite

KINDS = {
    "Beschwerde": "kaputt wartet nie antwort schlecht",
    "Frage": "wie wann wo welche kann",
    "Lob": "danke super toll freundlich schnell",
}


@pytest.fixture(scope="module")
def tickets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tickets")
    for split, size in (("train", 60), ("validation", 12), ("test", 30)):
        with (folder / f"{split}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "label"])
            for row in range(size):
                name = list(KINDS)[row % 3]
                words = KINDS[name].split()
                writer.writerow([f"das team {words[row % 5]} und {words[(row // 3) % 5]}", name])
    return folder


@pytest.fixture(scope="module")
def own_model(tickets, tmp_path_factory):
    """A classifier of tickets whose outputs are Lob, Frage, Beschwerde."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    folder, words = tmp_path_factory.mktemp("own"), "das team und " + " ".join(KINDS.values())
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words.split()]))
    BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(
        vocab_size=len(words.split()) + 5, max_position_embeddings=32, num_labels=3, initializer_range=0.3, **sizes
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForSequenceClassification(config).save_pretrained(folder)
    model = harness.component(
        "model", "transformers", checkpoint=str(folder), epochs=8, learning_rate=3e-3, device="cpu", head="new"
    )
    order = ["Lob", "Frage", "Beschwerde"]
    with (tickets / "train.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    examples = [harness.Example(row["text"], order.index(row["label"])) for row in rows]
    model.fine_tune_resumable(examples, num_labels=3, seed=0, labels=order).save(folder)
    return folder


def suite(tickets, model, **dataset):
    return parse_suite(
        {
            "name": "tickets",
            # A step too small to move a weight: what is scored is the head as it came.
            "models": {"own": {"use": "transformers", "checkpoint": str(model), "epochs": 1, "learning_rate": 1e-12}},
            "datasets": {"tickets": {"use": "files", **{s: str(tickets / f"{s}.csv") for s in SPLITS}, **dataset}},
            "arms": {"only": {}},
            "metrics": ["accuracy"],
        }
    )


SPLITS = ("train", "validation", "test")


@pytest.mark.parametrize("labels", [["Beschwerde", "Frage", "Lob"], ["Lob", "Frage", "Beschwerde"], []])
def test_a_head_means_what_it_says_in_whatever_order_the_data_lists_its_classes(tickets, own_model, labels, tmp_path):
    run = harness.run(suite(tickets, own_model, labels=labels), output=tmp_path / "runs", store=tmp_path / "store")
    (record,) = run.records
    assert record.header.scores["accuracy/clean"].value > 0.9
    assert "outputs [Lob, Frage, Beschwerde] are matched by name" in record.header.classes
    assert record.header.classes in (run.folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            ["Beschwerde", "Anfrage", "Lob"],
            r"does not decide between .*\[Lob, Frage, Beschwerde\].*\[Beschwerde, Anfrage, Lob\]",
        ),
        (["Lob", "Beschwerde"], "has 3 classes where the data has 2"),
    ],
)
def test_a_head_for_other_classes_is_refused_before_any_work(tickets, own_model, labels, message, tmp_path):
    with pytest.raises(InputError, match=message):
        harness.run(suite(tickets, own_model, labels=labels), output=tmp_path / "runs", store=tmp_path / "store")
    assert not (tmp_path / "runs").exists()


def test_outputs_without_names_are_taken_in_an_order_that_is_said(tickets, own_model, tmp_path):
    import shutil

    shutil.copytree(own_model, tmp_path / "own")
    config = json.loads((own_model / "config.json").read_text())
    config["id2label"] = {str(i): f"LABEL_{i}" for i in range(3)}
    (tmp_path / "own" / "config.json").write_text(json.dumps(config))
    run = harness.run(suite(tickets, tmp_path / "own"), output=tmp_path / "runs", store=tmp_path / "store")
    assert "taken in the order [Beschwerde, Frage, Lob]" in run.records[0].header.classes
