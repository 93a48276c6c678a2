"""Worker: attack examples with TextAttack itself, each as a lone run under its own seed.

Reads one JSON object from the standard input and writes one to the standard output. Run in a process of its own, because
importing TextAttack takes long, warns a lot and reads environment variables.
"""

from __future__ import annotations

import json
import random
import sys
from collections import OrderedDict
from typing import Any

STATUS = {"Successful": "succeeded", "Failed": "failed", "Skipped": "skipped", "Maximized": "maximized"}


def main() -> None:
    jobs = json.load(sys.stdin)
    out, sys.stdout = sys.stdout, sys.stderr  # TextAttack and its parts print
    json.dump([wrapped(job) if job.get("wrapped") else attack(job) for job in jobs], out)


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
    import numpy as np
    import textattack
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(1)
    model = AutoModelForSequenceClassification.from_pretrained(job["model"])
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    wrapper = textattack.models.wrappers.HuggingFaceModelWrapper(model, tokenizer)
    if "vectors" in job:
        share_parts(textattack, job["vectors"])
    recipe = getattr(textattack.attack_recipes, job["recipe"]).build(wrapper, **job.get("build", {}))
    recipe.goal_function.query_budget = job.get("max_queries") or float("inf")
    if ignored := job.get("ignored_column"):
        constraint = textattack.constraints.pre_transformation.InputColumnModification(["a", "b"], {ignored})
        recipe.pre_transformation_constraints.append(constraint)
    results = []
    for number, (texts, label) in enumerate(job["examples"]):
        seed = job["seed"] + number
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        given = texts if isinstance(texts, str) else OrderedDict(zip("ab", texts, strict=True))
        result = recipe.attack(given, label)
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


def share_parts(textattack: Any, file: str) -> None:
    """Give TextAttack's TextFooler our vectors, tagger and encoder in the place of those that it would download."""
    import nltk
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


if __name__ == "__main__":
    main()
