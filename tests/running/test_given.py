"""Classifiers that somebody has already: a pipeline, a function, predictions, an endpoint; and what they do wrong."""

import csv
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import joblib
import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

import harness
from harness.cli import app
from harness.errors import HarnessError
from harness.suite import SuiteError, parse_suite
from harness.testing.classifier import reviews

NAMES = ("negative", "positive")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Reviews, and a pipeline, a function and predictions that say the same of them."""
    root = tmp_path_factory.mktemp("given")
    train, test = reviews(80), reviews(30, seed=1)
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression())
    pipeline.fit([e.text for e in train], [NAMES[e.label] for e in train])
    joblib.dump(pipeline, root / "pipe.joblib")
    with (root / "data.csv").open("w", newline="", encoding="utf-8") as file:
        # Every seventh label is wrong, so that there are confident errors.
        csv.writer(file).writerows(
            [("text", "label"), *((e.text, NAMES[(e.label + (i % 7 == 0)) % 2]) for i, e in enumerate(test))]
        )
    probs = pipeline.predict_proba([e.text for e in test])
    with (root / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(i, *np.round(row, 4)[::-1]) for i, row in enumerate(probs)]
        csv.writer(file).writerows([("id", "prob_positive", "prob_negative"), *rows[::-1]])
    (root / "serve.py").write_text(
        f"import joblib\npipe = joblib.load({str(root / 'pipe.joblib')!r})\n"
        "def turned(texts):\n    return pipe.predict_proba(texts)[:, ::-1]\n"
        "turned.classes_ = ['POSITIVE', 'NEGATIVE']\n"
        "def logits(texts):\n    return [[3.0, -1.0]] * len(texts)\n"
        "def nan(texts):\n    return [[float('nan'), 1.0]] * len(texts)\n"
        "def short(texts):\n    return [[0.5, 0.5]]\n"
        "def wide(texts):\n    return [[0.2, 0.3, 0.5]] * len(texts)\n"
        "def broken(texts):\n    raise KeyError('vocabulary')\n"
        "nothing = 3\n"
    )
    return root


def suite(folder, models, **more):
    made = {
        "name": "given",
        "models": models,
        "datasets": {"reviews": {"use": "labelled", "path": str(folder / "data.csv")}},
    }
    made["datasets"]["reviews"]["model"] = next(iter(models))
    made |= {"arms": {name: {"given": name} for name in models}, "metrics": ["accuracy", "uu"]}
    return parse_suite(made | {"test_attack": {"use": "deepwordbug", "limit": 6}} | more)


def test_what_says_the_same_scores_the_same_on_one_board(folder, tmp_path):
    models = {
        "pipeline": {"use": "python", "source": str(folder / "pipe.joblib"), "trust_pickle": True},
        "function": {"use": "python", "source": f"{folder}/serve.py:turned"},
        "file": {"use": "predictions", "path": str(folder / "predictions.csv")},
    }
    run = harness.run(suite(folder, models), output=tmp_path / "runs", store=tmp_path / "store")
    assert not run.failures
    scores = {record.header.arm: record.header.scores for record in run.records}
    (board,) = run.leaderboard.boards
    assert {row.arm for row in board.rows} == set(models)
    for name in ("accuracy/clean", "uu@0.65/clean"):
        assert len({scores[arm][name].value for arm in models}) == 1
    assert scores["pipeline"]["accuracy/attacked"] == scores["function"]["accuracy/attacked"]
    assert "accuracy/attacked" not in scores["file"]
    said = {record.header.arm: record.header.classes for record in run.records}
    assert "Only predictions are known" in said["file"]
    again = harness.run(suite(folder, models), output=tmp_path / "runs", store=tmp_path / "store")
    assert again.computed == 0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "serve.py:logits",
            r"no probabilities for row 0 of 30 \('.*\[3, -1\] has values below 0. If these are logits, say",
        ),
        ("serve.py:nan", "row 0 of 30 .* no finite numbers"),
        ("serve.py:short", r"shape \(1, 2\) for 30 texts; expected 30 rows of 2 numbers"),
        ("serve.py:wide", r"shape \(30, 3\)"),
        ("serve.py:broken", "failed on 30 texts: KeyError: 'vocabulary'"),
        ("serve.py:nothing", "is a int; expected a function"),
        ("serve.py:turnt", "Did you mean 'turned'"),
        ("data.csv", "no Python file with a name in it, nor a file of joblib"),
        ("pipe.joblib", "is a pickled file, which is not read"),
    ],
)
def test_a_callable_that_gives_no_probabilities(folder, tmp_path, source, message):
    with pytest.raises(HarnessError, match=message) as caught:
        _first_failure(suite(folder, {"mine": {"use": "python", "source": str(folder / source)}}), tmp_path)
    assert caught.value.exit_code == 2


def _first_failure(made, tmp_path):
    run = harness.run(made, output=tmp_path / "runs", store=tmp_path / "store")
    if run.failures:
        raise run.failures[0]


def _edited(edit):
    def write(folder, target):
        rows = (folder / "predictions.csv").read_text().splitlines()
        target.write_text("\n".join(edit(rows)))
        return target

    return write


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda rows: rows[:-1], "lacks 1 of 30 examples; first: test/0"),
        (lambda rows: [*rows, rows[1]], r"the id 'test/29' twice: in rows 1 and 31"),
        (lambda rows: [*rows, "77,0.5,0.5"], r"row 31 .*test/77 is no example of the data"),
        (
            lambda rows: [*rows[:2], "28,40,60", *rows[3:]],
            r"row 1 of 30 \('id 28'\): \[40, 60\] sums to 100. These look like perc",
        ),
        (lambda rows: ["key,prob_positive,prob_negative", *rows[1:]], "neither a column 'id' nor 'text'"),
        (lambda rows: ["id,prob_positive,prob_bad", *rows[1:]], r"\[positive, bad\].*\[negative, positive\]"),
        (lambda rows: ["id,a", *(row.split(",")[0] + ",x" for row in rows[1:])], "no columns of probabilities"),
    ],
)
def test_predictions_that_do_not_fit(folder, tmp_path, edit, message):
    path = _edited(edit)(folder, tmp_path / "p.csv")
    with pytest.raises(HarnessError, match=message) as caught:
        _first_failure(suite(folder, {"file": {"use": "predictions", "path": str(path)}}), tmp_path)
    assert caught.value.exit_code == 2


def test_a_classifier_as_it_is_is_not_trained_and_predictions_are_not_attacked(folder):
    models = {"file": {"use": "predictions", "path": str(folder / "predictions.csv")}}
    more = {"generators": {"copy": "augment"}, "attack": "deepwordbug", "valuators": {"v": "random"}}
    with pytest.raises(SuiteError, match="cannot be fine-tuned"):
        suite(folder, models, arms={"mine": {"weights": "v"}}, **more)
    trained = models | {"tiny": {"use": "transformers", "checkpoint": "somewhere"}}
    with pytest.raises(SuiteError, match="of which only predictions are known"):
        made = {"datasets": {"reviews": {"use": "labelled", "path": "x.csv", "model": "tiny"}}}
        suite(folder, trained, **made, arms={"mine": {"generate": "copy"}}, base="file", **more)
    with pytest.raises(SuiteError, match="it is not trained"):
        suite(folder, models, arms={"mine": {"given": "file", "weights": "v"}}, **more)
    with pytest.raises(SuiteError, match="no model of this suite is called 'fil'"):
        suite(folder, models, arms={"mine": {"given": "fil"}})


class _Server(BaseHTTPRequestHandler):
    """Says that a review is positive by how many e's it has; misbehaves as its server is told."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server = self.server
        server.asked += 1
        status, answer, headers = 200, {}, {}
        rows = [[0.9, 0.1] if text.count("e") % 2 else [0.2, 0.8] for text in body["texts"]]
        answer = {"labels": ["Positive", "Negative"], "ids": body["ids"], "probabilities": rows}
        match server.fault:
            case "order":
                answer |= {"ids": body["ids"][::-1], "probabilities": rows[::-1]}
            case "busy" if server.asked % 2:
                status, headers = 429, {"Retry-After": "0"}
            case "always busy":
                status, headers = 429, {"Retry-After": "0"}
            case "ids":
                answer["ids"] = [number + 1 for number in body["ids"]]
            case "keys":
                answer = {"scores": rows}
            case "few":
                answer = {"probabilities": rows[:-1]}
            case "refused":
                status = 403
            case "no json":
                answer = "ready"
        payload = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(payload))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args):
        """Nothing on the terminal."""


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    made.asked, made.fault = 0, ""
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.mark.parametrize("fault", ["", "order", "busy"])
def test_an_endpoint_is_asked_once_for_each_text(folder, tmp_path, server, fault):
    server.fault = fault
    model = harness.component(
        "model", "endpoint", url=f"http://127.0.0.1:{server.server_port}/", batch_size=7, retries=2
    )
    examples = reviews(20, seed=2)
    classifier = model.given(("negative", "positive"), examples)
    texts = [example.text for example in examples]
    expected = [[0.1, 0.9] if text.count("e") % 2 else [0.8, 0.2] for text in texts]
    assert np.allclose(classifier.predict_proba([*texts, texts[0]])[:20], expected)
    assert np.allclose(classifier.predict_encoded(classifier.encode(texts)), expected)
    classifier.save(tmp_path / "kept")
    assert np.allclose(model.load(tmp_path / "kept").predict_proba(texts), expected)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("always busy", r"answered 429.*\(2 requests in all\)"),
        ("ids", r"with the ids \[1"),
        ("keys", "without 'probabilities'; there is scores"),
        ("few", r"shape \(29, 2\) for 30 texts"),
        ("refused", "answered 403"),
        ("no json", "no JSON object: '\"ready\"'"),
    ],
)
def test_an_endpoint_that_misbehaves(folder, tmp_path, server, fault, message):
    server.fault = fault
    model = {"use": "endpoint", "url": f"http://127.0.0.1:{server.server_port}/", "retries": 1}
    with pytest.raises(HarnessError, match=message) as caught:
        _first_failure(suite(folder, {"mine": model}), tmp_path)
    assert caught.value.exit_code == 2


def test_a_budget_of_requests_and_an_address_where_nobody_is(folder, tmp_path, server):
    url = f"http://127.0.0.1:{server.server_port}/"
    with pytest.raises(HarnessError, match="all that `max_requests` allows"):
        _first_failure(
            suite(folder, {"mine": {"use": "endpoint", "url": url, "batch_size": 1, "max_requests": 3}}), tmp_path
        )
    with pytest.raises(HarnessError, match="cannot be reached: ConnectError"):
        _first_failure(
            suite(folder, {"mine": {"use": "endpoint", "url": "http://127.0.0.1:9/", "retries": 0}}), tmp_path
        )


@pytest.mark.slow
def test_an_audit_of_a_pipeline_in_one_line(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    asked = [
        "audit",
        str(folder / "data.csv"),
        "--model",
        str(folder / "pipe.joblib"),
        "--trust-pickle",
        "--attacked",
        "8",
    ]
    found = CliRunner().invoke(app, asked)
    assert found.exit_code == 0, found.output
    assert "30 examples, classes negative, positive" in found.output
    assert "8 examples, of those it had right" in found.output
    assert (tmp_path / "runs" / "audit-data" / "report.html").is_file()


def test_an_audit_of_predictions_says_what_the_data_is_like(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with (folder / "data.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with (tmp_path / "mine.csv").open("w", newline="", encoding="utf-16") as file:
        numbered = [(text, NAMES.index(label), "de") for text, label in rows[1:]]
        csv.writer(file, delimiter=";").writerows([("text", "label", "language"), *numbered, ("more", 0, "en")])
    asked = [
        "audit",
        "mine.csv",
        "--predictions",
        str(folder / "predictions.csv"),
        "--labels",
        "negative",
        "--labels",
        "positive",
    ]
    found = CliRunner().invoke(app, [*asked, "--encoding", "utf-16", "--filter", "language=de"])
    assert found.exit_code == 0, found.output
    assert "attacked" not in found.output.partition("30 examples")[2]
    assert "No blind spots of given: it has" in found.output
    assert "separated by ';'" in found.output
    assert "0 is negative, 1 is positive" in found.output
    page = (tmp_path / "runs" / "audit-mine" / "report.html").read_text(encoding="utf-8")
    assert "Labels are numbers, taken as indices of classes: 0 is negative, 1 is positive." in page
    assert "0 train" not in page
    found = CliRunner().invoke(app, ["leaderboard", "check", "runs/audit-mine"])
    assert found.exit_code == 0, found.output
    with pytest.raises(HarnessError, match="expected COLUMN=VALUE"):
        CliRunner().invoke(app, [*asked, "--filter", "language"], catch_exceptions=False)
    with pytest.raises(HarnessError, match="Say what to audit"):
        CliRunner().invoke(app, ["audit", "mine.csv"], catch_exceptions=False)
