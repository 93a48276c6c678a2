"""A language model as a classifier, over real HTTP: probabilities, the cache, the budget, an attack, and what is refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from harness_generators.cache import Answer
from harness_generators.choice import Undecided, alike, alternatives, shares
from harness_generators.prompted import Prompted
from harness_generators.testing import ChatServer

import harness
from harness.commands.plan import billed_stages
from harness.components import Example, Usage
from harness.errors import HarnessError, InputError
from harness.running.runner import prepare
from harness.suite import SuiteError, parse_suite

GOOD, BAD = ("wonderful", "superb", "charming"), ("dull", "boring", "awful")


def scorer(body):
    """Counts words of praise and blame in the text."""
    text = body["messages"][-1]["content"]
    balance = sum(text.count(word) for word in GOOD) - sum(text.count(word) for word in BAD)
    p = 1 / (1 + math.exp(-2 * balance))
    return {"positive": 0.9 * p, "negative": 0.9 * (1 - p), "unsure": 0.1}


def prompted(server, **options):
    return Prompted(model="stand-in", base_url=server.base_url, api_key_env="", max_tries=2, **options)


@pytest.mark.parametrize("form", [("json_schema",), ("json_object",), ()])
@pytest.mark.parametrize("stream", [False, True])
def test_probabilities_are_of_the_token_that_begins_the_label(form, stream):
    with ChatServer(scorer=scorer, structured=form) as server:
        made = prompted(server, stream=stream).given(["positive", "negative"], [Example("wonderful", 0)])
        probs = made.predict_proba(["superb and charming", "a dull film", "a film", "a film"])
    expected = [1 / (1 + math.exp(-2 * balance)) for balance in (2, -1, 0, 0)]
    assert np.allclose(probs[:, 0], expected, atol=1e-6)
    assert np.allclose(probs.sum(axis=1), 1)
    assert len(server.answered) == 4  # one to try it, and each text once


def test_answers_are_kept_and_paid_once(tmp_path):
    labels = ["negative", "positive"]
    with ChatServer(scorer=scorer) as server:
        model = prompted(server, max_requests=3).keeping_answers(tmp_path)
        made = model.given(labels, [Example("superb", 1)])
        assert made.billed().requests == 1
        assert made.billed() == Usage()
        made.save(tmp_path / "kept")
        first = made.predict_proba(["superb", "a dull film"])
        assert len(server.answered) == 2
        loaded = model.load(tmp_path / "kept")
        again = loaded.predict_proba(["superb", "a dull film"])
        assert loaded.billed().cached == 2
        assert len(server.answered) == 2
        with pytest.raises(InputError, match=r"budget of one stage \(max_requests: 3\) is used up"):
            made.predict_proba(["one", "two"])
        assert len(server.answered) == 3
    assert np.array_equal(first, again)
    assert "logprobs" in next((tmp_path / "prompted").glob("*/*.json")).read_text(encoding="utf-8")


def test_pieces_of_an_answer():
    def answer(*tokens):
        return Answer("x", "stop", logprobs=json.dumps(tokens))

    schema = [['{"', [['{"', 0.0]]], ["label", [["label", 0.0]]], ['": "', [['": "', 0.0]]]]
    assert alternatives(answer(*schema, ["pos", [["pos", -0.1], ["neg", -2.0]]])) == [("pos", -0.1), ("neg", -2.0)]
    joined = ['":"pos', [['":"pos', -0.1], ['":"neg', -2.0]]]
    assert alternatives(answer(*schema[:2], joined)) == [("pos", -0.1), ("neg", -2.0)]
    assert alternatives(answer([" Positive", [[" Positive", -0.5], ["Positive", -1.0]]]))[1] == ("Positive", -1.0)
    half = math.log(0.5)
    assert shares([("A", half), ("b", half)], ["A", "B"]) == [0.5, 0.5]
    assert shares([("pos", -0.1), ("maybe", -3.0)], ["negative", "positive"])[1] == pytest.approx(0.95, abs=0.01)
    assert shares([("perhaps", 0.0)], ["negative", "positive"]) is None
    assert shares([("not", math.log(0.001)), ("yes", 0.0)], ["not a", "not b", "yes"])[2] > 0.99
    with pytest.raises(Undecided, match="not"):
        shares([("not", half), ("yes", half)], ["not a", "not b", "yes"])
    assert alike(["not_spam", "not_ham"]) == ("not_spam", "not_ham")
    assert alike(["negative", "neutral", "positive"]) is None


def test_what_cannot_work_is_refused_with_one_message():
    labels, example = ["negative", "positive"], [Example("a film", 0)]
    with ChatServer(scorer=scorer) as server, ChatServer() as silent, ChatServer(refuses=["logprobs"]) as without:
        model = prompted(server)
        with pytest.raises(InputError, match=r"gives no token log-probabilities for 'stand-in'"):
            prompted(silent).given(labels, example)
        with pytest.raises(InputError, match=r"refuses the request: .* 'logprobs' is not supported"):
            prompted(without).given(labels, example)
        with pytest.raises(InputError, match=r"'not_spam' and 'not_ham' apart by how they begin"):
            model.check_labels(["not_spam", "not_ham"])
        with pytest.raises(InputError, match=r"those of the data are numbers: 0, 1"):
            model.check_labels(["0", "1"])
        with pytest.raises(InputError, match=r"answered '.*' for 'a film'; expected one of yes, no"):
            model.given(["yes", "no"], example)
        with pytest.raises(InputError, match="cannot be fine-tuned"):
            model.fine_tune(example, num_labels=2, seed=0)
    with ChatServer(scorer=lambda body: {"neutral": 0.6, "ne": 0.4}) as server:
        pieces = prompted(server, labels=("a", "b"), answers=("neutral", "negative"))
        with pytest.raises(InputError, match=r"'neutral' and 'negative' begin with the same token 'ne'"):
            pieces.given(["a", "b"], example)
    with pytest.raises(HarnessError, match="one answer for each"):
        harness.component("model", "prompted", model="m", answers=["A", "B"])


@pytest.mark.slow
def test_an_audit_of_one_and_no_arm_that_trains(tmp_path):
    rows = [
        f"the film was {word},{label}"
        for word, label in [*((w, "positive") for w in GOOD), *((w, "negative") for w in BAD)]
    ]
    (tmp_path / "data.csv").write_text("\n".join(["text,label", *rows, "not dull at all,positive"]), encoding="utf-8")
    with ChatServer(scorer=scorer) as server:
        data = {
            "name": "prompted",
            "models": {"lm": {"use": "prompted", "model": "stand-in", "base_url": server.base_url, "api_key_env": ""}},
            "datasets": {"reviews": {"use": "labelled", "path": str(tmp_path / "data.csv")}},
            "arms": {"only": {}},
            "metrics": ["accuracy", "uu"],
            "test_attack": {"use": "deepwordbug", "limit": 3},
        }
        plan = prepare(parse_suite(data))
        asking = billed_stages(plan, {stage.id for stage in plan.stages()})
        assert [title.split()[0] for title in asking] == ["take", "predict", "predict", "attack"]
        run = harness.run(parse_suite(data), output=tmp_path / "runs", store=tmp_path / "store")
        assert not run.failures
        asked = len(server.answered)
        (record,) = run.records
        assert record.header.scores["accuracy/clean"].value == pytest.approx(6 / 7)
        assert record.header.scores["accuracy/attacked"].value < 1
        assert record.header.usage["requests"] == asked
        assert record.header.usage["prompt_tokens"] > 10 * asked
        again = harness.run(parse_suite(data), output=tmp_path / "runs2", store=tmp_path / "store2")
        assert not again.failures
        assert len(server.answered) == 2 * asked  # another store, other answers
        harness.run(parse_suite(data), output=tmp_path / "runs3", store=tmp_path / "store")
        assert len(server.answered) == 2 * asked
    data["valuators"] = {"knn": "knn-shapley"}
    data["arms"]["wldv"] = {"weights": "knn"}
    with pytest.raises(SuiteError, match=r"whose model 'lm' \(prompted\) cannot be fine-tuned"):
        parse_suite(data)
