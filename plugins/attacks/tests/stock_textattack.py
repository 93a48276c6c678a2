"""Worker: attack examples with TextAttack's own ``Attacker``, each as a lone run under its own seed.

Reads one JSON object from the standard input and writes one to the standard output. Run in a process of its own, because
importing TextAttack takes long, warns a lot and reads environment variables.
"""

from __future__ import annotations

import importlib
import io
import json
import random
import sys
from functools import cache
from typing import Any

STATUS = {"Successful": "succeeded", "Failed": "failed", "Skipped": "skipped", "Maximized": "maximized"}


def main() -> None:
    jobs = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr  # TextAttack and its parts print
    results = []
    for job in jobs:
        if "vectors" in job:
            share_parts(job["vectors"])
        results.append(wrapped(job) if job.get("wrapped") else attack(job))
    json.dump(results, out)


def wrapped(job: dict[str, Any]) -> list[dict[str, Any]] | str:
    """The same through our attack ``textattack``; an error's text if there is one."""
    from harness import Example, component, load_classifier
    from harness.errors import HarnessError

    examples = [
        Example(texts, label) if isinstance(texts, str) else Example(texts[0], label, texts[1])
        for texts, label in job["examples"]
    ]
    states = random.getstate()
    try:
        runner = component("attack", "textattack", recipe=job["recipe"], **job.get("options", {}))
        results = list(runner.attack(load_classifier(job["model"], device="cpu"), examples, seed=job["seed"]))
    except HarnessError as error:
        return str(error)
    assert random.getstate() == states, "the global generator was disturbed"
    return [
        {
            "status": result.status.value,
            "perturbed": result.perturbed,
            "queries": result.queries,
            "probs": result.perturbed_probs.tolist(),
        }
        for result in results
    ]


def attack(job: dict[str, Any]) -> list[dict[str, Any]]:
    import textattack
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(job["model"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    wrapper = textattack.models.wrappers.HuggingFaceModelWrapper(model, tokenizer)
    recipe = getattr(textattack.attack_recipes, job["recipe"]).build(wrapper, **job.get("build", {}))
    names = list(job.get("column_names", "ab"))
    if ignored := job.get("ignored_column"):
        constraint = textattack.constraints.pre_transformation.InputColumnModification(names, {ignored})
        recipe.pre_transformation_constraints.append(constraint)
    results = []
    for number, (texts, label) in enumerate(job["examples"]):
        columns = {} if isinstance(texts, str) else {"input_columns": names}
        dataset = textattack.datasets.Dataset([(texts, label)], **columns)
        options = textattack.AttackArgs(
            num_examples=1,
            random_seed=job["seed"] + number,
            query_budget=job.get("max_queries"),
            disable_stdout=True,
            silent=True,
        )
        (result,) = textattack.Attacker(recipe, dataset, options).attack_dataset()
        final = result.perturbed_result
        results.append(
            {
                "status": STATUS[type(result).__name__.removesuffix("AttackResult")],
                "perturbed": final.attacked_text.tokenizer_input,
                "queries": final.num_queries,
                "probs": final.raw_output.tolist(),
            }
        )
    return results


class Nearest:
    """The table of nearest neighbours that the published vectors come with, computed row by row."""

    def __init__(self, matrix: Any) -> None:
        import torch

        self.matrix = torch.from_numpy(matrix)

    def __getitem__(self, row: int) -> list[int]:
        distances = (self.matrix - self.matrix[row]).norm(dim=1)
        return distances.topk(51, largest=False).indices.tolist()


class Gazetteer:
    """A tagger of names and places that looks them up, in the place of one that would be downloaded."""

    def predict(self, sentence: Any, **_: Any) -> None:
        """Label each token as a person, a place or neither."""
        for token in sentence:
            kind = "S-PER" if token.text in {"Mary", "John"} else "S-LOC" if token.text in {"Paris", "Boston"} else "O"
            token.add_label("ner", kind, 1.0)


@cache
def share_parts(file: str) -> None:
    """Give TextAttack our vectors, tagger and sentence encoder in the place of those that it would download."""
    import nltk
    import textattack
    from harness_attacks import sentences, tagging, vectors

    table = vectors.load(file)
    index = {word: row for row, word in enumerate(table.words)}
    embedding = textattack.shared.WordEmbedding(
        table.matrix, index, dict(enumerate(table.words)), Nearest(table.matrix)
    )
    textattack.shared.WordEmbedding.counterfitted_GLOVE_embedding = staticmethod(lambda: embedding)
    tag = tagging.perceptron()
    nltk.pos_tag = lambda words, tagset, lang: list(zip(words, tag(tuple(words)), strict=True))
    encode = sentences.encoder(sentences.EMBEDDED)
    encoder = textattack.constraints.semantics.sentence_encoders.UniversalSentenceEncoder
    encoder.encode = lambda _, texts: encode(texts)
    textattack.shared.utils.strings._flair_taggers["ner"] = Gazetteer()
    # The published package lacks a file of look-alikes, which TextBugger reads and never uses.
    swaps = importlib.import_module(textattack.transformations.WordSwapHomoglyphSwap.__module__)
    swaps.open = lambda *_, **__: io.StringIO()


if __name__ == "__main__":
    main()
