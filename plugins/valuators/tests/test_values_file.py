"""Values that were computed elsewhere: by id or by row, and what may be wrong with the file."""

import numpy as np
import pytest

from harness.components import Example, Sources, ValuationProblem
from harness.errors import DataError
from harness.registry import component
from harness.testing import ValuatorContract

IDS = ["train/0", "train/1", "train/2"]
X = np.zeros((3, 2))
PROBLEM = ValuationProblem(
    X,
    np.array([0, 1, 0]),
    X[:1],
    np.array([0]),
    sources=Sources(texts=lambda: ([Example("t", 0, id=name) for name in IDS], [Example("t", 0, id="v")])),
)


@pytest.fixture
def file(tmp_path):
    def write(text, **options):
        (tmp_path / "values.csv").write_text(text, encoding="utf-8")
        return component("valuator", "values-file", path=str(tmp_path / "values.csv"), **options)

    return write


def test_by_id_whatever_the_order(file):
    method = file("id,value,loss\ntrain/2,3,-1\ntrain/0,1,-2\ntrain/1,2,-3\n")
    assert list(method.value(PROBLEM, seed=0)) == [1, 2, 3]
    assert list(method.value(PROBLEM.taking(np.array([2, 0])), seed=0)) == [3, 1]
    losses = file("id,loss\ntrain/2,3\ntrain/0,1\ntrain/1,2\n", column="loss", negate=True)
    assert list(losses.value(PROBLEM, seed=0)) == [-1, -2, -3]


def test_by_row_without_ids(file):
    method = file("value\n0.5\n1\n-2\n")
    assert list(method.value(PROBLEM, seed=0)) == [0.5, 1, -2]
    assert list(method.value(PROBLEM.taking(np.array([2, 0])), seed=0)) == [-2, 0.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("value\n1\n2\n", "has 2 rows for 3 training examples"),
        ("id,value\ntrain/0,1\ntrain/1,2\n", r"lacks 1 of 3 training examples \(first: 'train/2'\). Did you mean"),
        (
            "id,value\ntrain/0,1\ntrain/1,2\ntrain/2,3\ntrian/3,4\n",
            r"1 ids that no training example has \(first: 'trian/3'\); the nearest is 'train/",
        ),
        ("id,vlaue\ntrain/0,1\n", "no column 'value'. Did you mean 'vlaue'?"),
        ("id,value\ntrain/0,1\ntrain/1,x\ntrain/2,3\n", "line 3: value is 'x'; expected a finite number"),
        ("value\n1\nnan\n3\n", "line 3: value is 'nan'"),
        ("id,value\ntrain/0,1\ntrain/0,2\n", "the id 'train/0' more than once"),
        ("", "is no CSV file"),
    ],
)
def test_what_is_wrong_is_one_message(file, text, said):
    with pytest.raises(DataError, match=said):
        file(text).value(PROBLEM, seed=0)


def test_faults_that_the_file_alone_shows_come_before_work(file, tmp_path):
    with pytest.raises(DataError, match="line 3"):
        file("value\n1\nx\n").preflight()
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        component("valuator", "values-file", path=str(tmp_path / "nowhere.csv")).preflight()


def test_another_content_is_another_identity(file):
    one, other = file("value\n1\n").identity(), file("value\n2\n").identity()
    assert one != other


class TestValuesFile(ValuatorContract):
    name = "values-file"

    @pytest.fixture(autouse=True)
    def _file(self, tmp_path):
        (tmp_path / "values.csv").write_text("value\n" + "\n".join(map(str, range(300))), encoding="utf-8")
        self.options = {"path": str(tmp_path / "values.csv")}
