"""The generators that need no language model: adversarial and retrieve-edit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from harness_generators.edits import CHARACTER_KINDS, edit_word, find_edits, transplant
from harness_generators.evidence import Evidence
from harness_generators.texts import fold, tokens
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.components import Rejected, SyntheticExample


def generate(name, uus, task, seed=0, **options):
    return list(harness.component("generator", name, **options).generate(uus, task, seed=seed))


def samples(found):
    return [item for item in found if isinstance(item, SyntheticExample)]


def test_adversarial_is_the_perturbed_text_with_its_true_label(uus, make_task):
    found = generate("adversarial", uus, make_task(per_uu=2))
    assert [s.example.text for s in found] == [uu.perturbed for uu in uus]
    assert [s.example.label for s in found] == [uu.example.label for uu in uus]
    assert [s.uu for s in found] == list(range(len(uus)))


def test_adversarial_rejects_a_text_that_came_before(uus, make_task):
    again = replace(uus[0], perturbed=uus[0].perturbed.upper() + " ")
    found = generate("adversarial", [uus[0], again], make_task())
    assert found[1] == Rejected(1, "exploit", "duplicate", again.perturbed)


def test_retrieve_edit_writes_two_changed_neighbours_of_the_same_class(uus, make_task, reviews):
    task = make_task()
    found = samples(generate("retrieve-edit", uus, task))
    assert len(found) >= 2 * len(uus) - 2
    known = {fold(example.texts) for example in reviews}
    for sample in found:
        assert sample.example.label == uus[sample.uu].example.label
        assert fold(sample.example.texts) not in known
        assert fold(sample.example.texts) != fold(uus[sample.uu].perturbed)
        assert sample.hypothesis
    assert [s.uu for s in found] == sorted(s.uu for s in found)
    assert {s.role for s in found} == {"exploit", "explore"}


def test_retrieve_edit_repeats_under_its_seed_and_uses_it(uus, make_task):
    first, second = (generate("retrieve-edit", uus, make_task(), seed=3) for _ in range(2))
    assert first == second
    assert first != generate("retrieve-edit", uus, make_task(), seed=4)


def test_retrieve_edit_does_not_depend_on_the_other_unknown_unknowns(uus, make_task):
    alone = samples(generate("retrieve-edit", uus[:1], make_task()))
    assert alone == [s for s in samples(generate("retrieve-edit", uus, make_task())) if s.uu == 0]


def test_the_filter_prefers_what_the_classifier_gets_wrong(uus, make_task, classifier):
    def probability(neighbours):
        found = samples(generate("retrieve-edit", uus, make_task(), neighbours=neighbours))
        return np.mean([classifier.predict_proba([s.example.texts])[0, s.example.label] for s in found])

    assert probability(16) < probability(2)


def test_retrieve_edit_on_pairs_edits_only_the_attacked_column(pair_setting):
    task, uus = pair_setting
    found = samples(generate("retrieve-edit", uus, task))
    assert len(found) == 2
    for sample in found:
        assert sample.example.label == 0
        assert sample.example.text in {example.text for example in task.train}
        assert sample.example.text_pair not in {example.text_pair for example in task.train}


def test_no_neighbour_is_counted_not_hidden(uus, make_task):
    uu = uus[0]
    task = make_task(train=[uu.example], train_embeddings=make_task().embed([uu.example.texts]))
    found = generate("retrieve-edit", [replace(uu, index=0)], task)
    assert [item.reason for item in found] == ["no edit applies"] * 2


def test_edits_are_recognised():
    kinds = {
        e.old: e.kind
        for e in find_edits("a terrible boring movie with nice music", "a terible bornig movy wtih nicce music")
    }
    assert kinds == {"terrible": "delete", "boring": "swap", "movie": "replace", "with": "swap", "nice": "insert"}


def test_shared_words_are_changed_alike_whatever_the_case():
    edits = find_edits("a terrible film", "a terible movie")
    text, words = transplant("Terrible! This film has terrible acting.", edits, lambda word: 0.0)
    assert text == "Terible! This movie has terible acting."
    assert words == ["Terrible", "film", "terrible"]


@given(st.text())
def test_tokens_give_the_text_back(text):
    assert "".join(tokens(text)) == text


@given(
    st.text(alphabet="abcdefgh", min_size=3, max_size=12),
    st.sampled_from(CHARACTER_KINDS),
    st.floats(0, 1),
    st.sampled_from("xyz"),
)
def test_a_character_edit_is_found_again_as_what_it_was(word, kind, place, letter):
    changed = edit_word(word, kind, place, letter)
    if changed == word:
        assert kind == "swap"
        assert len(set(word)) == 1
        return
    (edit,) = find_edits(word, changed)
    assert edit.kind == kind
    if kind in ("insert", "substitute"):
        assert edit.letter == letter


def test_evidence_ranks_words_by_class(reviews):
    evidence = Evidence(reviews, 2)
    assert evidence.score("bad", 0) > 1 > evidence.score("the", 0) > evidence.score("good", 0) - 10
    assert abs(evidence.score("bad", 0) + evidence.score("bad", 1)) < 1e-9
    assert evidence.score("xyzzy", 0) == 0
