"""Class names of two sides are matched by what they say."""

import pytest

from harness.components.labels import class_index, match_labels
from harness.errors import DataError


@pytest.mark.parametrize(
    ("outputs", "labels", "order"),
    [
        (("Lob", "Frage", "Beschwerde"), ("Beschwerde", "Frage", "Lob"), (2, 1, 0)),
        (("POSITIVE", "NEGATIVE"), ("neg", "pos"), (1, 0)),
        (("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), ("entails", "neutral", "contradiction"), (2, 1, 0)),
        (("entailment", "not_entailment"), ("not-entailment", "Entailment"), (1, 0)),
        (("not_equivalent", "equivalent"), ("paraphrase", "not paraphrase"), (1, 0)),
        (("a", "A"), ("A", "a"), (1, 0)),
        (("2", "1"), ("1", "2"), (1, 0)),
    ],
)
def test_names_decide(outputs, labels, order):
    match = match_labels(outputs, labels, "The checkpoint m")
    assert match.order == order
    assert not match.assumed


@pytest.mark.parametrize(
    ("outputs", "labels", "order"),
    [
        (("LABEL_0", "LABEL_1"), ("ham", "spam"), (0, 1)),
        (("1", "0"), ("ham", "spam"), (1, 0)),
        (("ham", "spam"), ("0", "1"), (0, 1)),
    ],
)
def test_where_one_side_has_no_names_the_order_is_assumed_and_said(outputs, labels, order):
    match = match_labels(outputs, labels, "The checkpoint m")
    assert match.order == order
    assert match.assumed
    assert "ham, spam" in match.said


@pytest.mark.parametrize(
    ("outputs", "labels", "message"),
    [
        (("Lob", "Frage", "Beschwerde"), ("a", "b"), "has 3 classes where the data has 2"),
        (("Lob", "Frage"), ("Lob", "Beschwerde"), r"outputs are \[Lob, Frage\].*are \[Lob, Beschwerde\]"),
        (("LABEL_0", "spam"), ("ham", "spam"), "does not decide"),
        (("LABEL_0", "LABEL_2"), ("ham", "spam"), "does not decide"),
        (("NEG", "negative"), ("neg", "pos"), "does not decide"),
    ],
)
def test_contradictions_are_refused_with_both_lists(outputs, labels, message):
    with pytest.raises(DataError, match=message):
        match_labels(outputs, labels, "The checkpoint m")


def test_a_value_is_a_name_before_it_is_an_index():
    assert [class_index(value, ("no", "yes")) for value in ("yes", 1, 1.0, "1", True, 2, -1, 0.5, "x")] == (
        [1, 1, 1, 1, 1, None, None, None, None]
    )
    assert [class_index(value, ("1", "2", "3")) for value in (1, 1.0, "3", 0)] == [0, 0, 2, None]
