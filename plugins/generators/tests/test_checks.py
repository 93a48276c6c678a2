"""What comes back is distrusted: every kind of defect is named, and what is sound passes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from harness_generators.checks import Checks
from harness_generators.dialogue import Method
from harness_generators.prompts import Prompts, keys_of
from harness_generators.replies import Reply, read
from hypothesis import given
from hypothesis import strategies as st

from harness.components import Example, Rejected, SyntheticExample, Task, UnknownUnknown, Usage

TASK = Task("reviews", ("negative", "positive"), ("review",), "Is a film review positive or negative?")
UU = UnknownUnknown(
    Example("A terrible bore from start to end, with not one good scene in it.", 0),
    "A terrbile bore from satrt to end, with not one good scene in it.",
    np.array([0.9, 0.1]),
    np.array([0.1, 0.9]),
    0,
)
PROMPTS = Prompts()
CHECKS = Checks(TASK, PROMPTS.skeleton(TASK))
SOUND = "The jokes fell flat and the songs were worse; I left the cinema before the second hour."


@pytest.mark.parametrize(
    "text",
    [
        SOUND,
        "I'm sorry, but this film bored me to tears.",
        "Unfortunately the director can't tell a story.",
        "Replaces wit with noise, and noise with more noise.",
        "Changes direction every ten minutes and arrives nowhere.",
        "1. The plot. There was none, and that was the best of it.",
        "The sample of scenes in the trailer was all there was.",
        "A film that has no idea what it wants.",
        'He says "label: none" and means it; the band deserved better.',
    ],
)
def test_sound_samples_pass_unchanged(text):
    assert CHECKS((text,), UU) == ((text,), [], "")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        (" ... !", "empty"),
        ("A film cut in \ud83d half.", "not text"),
        ("A film \x00 of nothing.", "not text"),
        ("I'm sorry, but I can't assist with that request.", "refusal"),
        ("As an AI language model, I do not watch films.", "refusal"),
        ("Unfortunately, I cannot provide such a text.", "refusal"),
        ("1. The plot is dull.\n2. The cast is duller.", "several samples"),
        ("Review 1: The plot is dull.\nReview 2: The cast is duller.", "several samples"),
        ("The plot is dull. Label: negative\nThe cast is great. Label: positive", "several samples"),
        ("The plot is dull. <|im_end|>", "prompt leak"),
        ("{{ review }}", "prompt leak"),
        ("Dull. Its correct class has to be negative beyond doubt for a careful reader, I hear.", "prompt leak"),
        ("The plot is wonderful. (label: positive)", "wrong label"),
        ("Replace 'terrible' with 'terribel' and keep the rest.", "description"),
        ("Swap two letters in the word terrible so that it is misread.", "description"),
        ("A review in which the key adjectives are misspelt.", "description"),
        ("Same as the original, with another typo.", "description"),
        (UU.example.text.upper(), "original repeated"),
        (UU.example.text.replace("one", "a"), "original repeated"),
        (UU.perturbed + "  ", "perturbation repeated"),
    ],
)
def test_defects_are_named(text, kind):
    # The perturbed text is nearly the original, so either name will do for a repetition.
    reason = CHECKS((text,), UU)[2]
    assert reason == kind or {reason, kind} == {"original repeated", "perturbation repeated"}


@pytest.mark.parametrize(
    ("text", "repair"),
    [
        (f"Review: {SOUND}", "wrapper"),
        (f'"{SOUND}"', "wrapper"),
        (f"{SOUND}\nLabel: negative", "label in text"),
        (f"{SOUND} (label: Negative)", "label in text"),
    ],
)
def test_wrapped_samples_are_repaired(text, repair):
    assert CHECKS((text,), UU) == ((SOUND,), [repair], "")


KEYS = keys_of(("review",))
GOOD = {"hypothesis": "It leans on single words.", "review": SOUND, "label": "negative"}


@pytest.mark.parametrize(
    ("text", "repairs"),
    [
        (json.dumps(GOOD), []),
        (f"Sure!\n```json\n{json.dumps(GOOD)}\n```", ["prose"]),
        (f"<think>What now {{?}}</think>{json.dumps(GOOD)}", ["prose"]),
        (json.dumps(GOOD)[:-1], ["malformed"]),
        (json.dumps(GOOD).replace('"', "'"), ["malformed"]),
        (json.dumps([{**GOOD, "review": "Other."}, GOOD]), ["several samples"]),
        (json.dumps({"samples": [GOOD]}), []),
    ],
)
def test_replies_are_read(text, repairs):
    reading = read(Reply(text), KEYS)
    assert (reading.hypothesis, reading.columns, reading.label) == (GOOD["hypothesis"], (SOUND,), "negative")
    assert (reading.repairs, reading.reason) == (repairs, "")


@pytest.mark.parametrize(
    ("reply", "reason", "hypothesis"),
    [
        (Reply(""), "empty", ""),
        (Reply("", truncated=True), "truncated", ""),
        (Reply("No.", refused=True), "refusal", ""),
        (Reply("I can't help with that request."), "refusal", ""),
        (Reply("There is nothing to say."), "malformed", ""),
        (Reply('{"answer": 1}'), "wrong schema", ""),
        (Reply(json.dumps({**GOOD, "review": ["a", "b"]})), "wrong schema", GOOD["hypothesis"]),
        (Reply(json.dumps({**GOOD, "hypothesis": " "})), "wrong schema", ""),
        (Reply(json.dumps(GOOD)[:90], truncated=True), "truncated", GOOD["hypothesis"]),
        (Reply(json.dumps(GOOD)[:25], truncated=True), "truncated", ""),
        (Reply("", failure="request failed"), "request failed", ""),
    ],
)
def test_unusable_replies_are_named_and_a_complete_hypothesis_is_kept(reply, reason, hypothesis):
    reading = read(reply, KEYS)
    assert (reading.reason, reading.hypothesis) == (reason, hypothesis)


@pytest.mark.parametrize("between", [", ", "\n"])
@pytest.mark.parametrize("left", [3, 30, 90])
def test_a_whole_sample_before_a_cut_off_one_is_kept(between: str, left: int) -> None:
    other = json.dumps({**GOOD, "review": "One that is not finished."})
    opened = "[" if between == ", " else ""
    reading = read(Reply(f"{opened}{json.dumps(GOOD)}{between}{other[:left]}", truncated=True), tuple(GOOD))
    assert (reading.reason, reading.columns) == ("", (GOOD["review"],))
    assert reading.repairs in (["cut off"], ["prose"])  # what follows a whole object alone is prose


@given(st.text(max_size=300), st.booleans())
def test_whatever_comes_back_a_dialogue_ends_in_samples_or_reasons(text, truncated):
    method = Method(TASK, PROMPTS, per_uu=2, retries=1)
    dialogue = method.dialogue(0, UU)
    next(dialogue)
    made = []
    for _ in range(20):
        try:
            dialogue.send(Reply(text, truncated=truncated, usage=Usage(1)))
        except StopIteration as end:
            made = end.value
            break
    assert made
    kept = [item for item in made if isinstance(item, SyntheticExample)]
    dropped = [item for item in made if isinstance(item, Rejected)]
    assert len(kept) + len({item.role for item in dropped}) >= 2
    assert all(item.reason for item in dropped)


def test_a_wrong_label_is_dropped_and_asked_for_again():
    method = Method(TASK, PROMPTS, per_uu=1, retries=1)
    dialogue = method.dialogue(0, UU)
    assert next(dialogue).attempt == 0
    assert dialogue.send(Reply(json.dumps({**GOOD, "label": "positive"}))).attempt == 1
    with pytest.raises(StopIteration) as end:
        dialogue.send(Reply(json.dumps({**GOOD, "label": "NEGATIVE"})))
    assert [type(item) for item in end.value.value] == [Usage, Rejected, Usage, SyntheticExample]
    assert end.value.value[1].reason == "wrong label"


def test_columns_that_clash_with_other_keys_get_keys_of_their_own():
    assert keys_of(("label", "hypothesis")) == ("hypothesis", "label_text", "hypothesis_text", "label")
    assert keys_of(("first text", "first-text")) == ("hypothesis", "first_text", "first_text_text", "label")


ODD = st.text(st.characters(categories=["L", "P", "S", "Z", "Cc", "Cs"]))


@given(st.one_of(ODD, st.builds(json.dumps, st.fixed_dictionaries({"hypothesis": ODD, "review": ODD, "label": ODD}))))
def test_whatever_is_replied_what_is_kept_of_it_can_be_written(text):
    dialogue = Method(TASK, PROMPTS, per_uu=2, retries=1).dialogue(0, UU)
    question = next(dialogue)
    try:
        while True:
            assert "".join(content for _, content in question.messages).encode()
            question = dialogue.send(Reply(text))
    except StopIteration as end:
        made = end.value
    for item in made:
        if isinstance(item, Rejected):
            assert item.text.encode() is not None
        elif isinstance(item, SyntheticExample):
            assert item.example.text.encode()
            assert item.hypothesis.encode()


@pytest.mark.parametrize(
    "deep", ["[" * 100_000 + "]" * 100_000, '{"a":' * 50_000, "so: " + "[" * 100_000 + "]" * 100_000]
)
def test_a_reply_nested_too_deep_is_malformed(deep):
    assert read(Reply(deep), keys_of(TASK.columns)).reason == "malformed"


def test_a_sample_in_another_spelling_of_unicode_repeats_the_original():
    uu = replace(UU, example=Example("Ein Café-Film für müde Söhne.", 0), perturbed="etwas ganz anderes")
    assert CHECKS(("Ein Cafe\u0301-Film fu\u0308r mu\u0308de So\u0308hne.",), uu)[2] == "original repeated"
