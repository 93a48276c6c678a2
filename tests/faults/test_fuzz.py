"""10,000 suites, files of data and records with something odd in them: each is read, or refused in words, within 10 seconds.

Every case has a number of its own, which a failure names: ``fuzz_suite(1234)`` is always the same suite.
"""

from __future__ import annotations

import copy
import json
import random
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import harness
from harness.disk import file_digest
from harness.errors import HarnessError
from harness.records.model import HEADER, find_records
from harness.report import Leaderboard
from harness.report.check import check_records
from harness.suite import load_suite, parse_suite
from harness.testing.records import PretendArm, pretend_record

SECONDS = 10
"""CPU time that a case may take."""

BASE: dict[str, Any] = {
    "name": "fuzzed",
    "seeds": [0, 1],
    "thresholds": [0.65, 0.9],
    "models": {"bert": {"use": "transformers", "checkpoint": "somewhere", "epochs": 3, "learning_rate": 0.01}},
    "datasets": {
        "reviews": {"use": "files", "folder": ".", "train": "a.csv", "validation": "b.csv", "test": "c.csv",
            "limit": {"train": 9}}
    },
    "valuators": {"dvrl": {"use": "dvrl", "iterations": 20}, "loo": "loo"},
    "selectors": {"mixed": {"use": "stratified", "values": "dvrl"}},
    "attack": "deepwordbug",
    "generators": {"near": {"use": "retrieve-edit"}},
    "synthesis": {"uu_fraction": 0.05, "per_uu": 1, "leakage": None},
    "arms": {
        "only": {},
        "wldv": {"weights": "dvrl", "weights_normalisation": "mean"},
        "bliss": {"select": {"highest": "dvrl"}, "generate": "near", "synthesis": {"per_uu": 3}},
    },
    "matrix": {"name": "m-{valuator}-{role}", "valuator": ["dvrl", "loo"], "role": ["weights", "both"], "generate": "near"},
    "metrics": ["accuracy", "confidence", "uu", {"use": "ece", "bins": 5}],
}  # fmt: skip

ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**99, 10**6000, 0.0, -0.0, 0.5, 1e300, -1e308, 5e-324,
    float("nan"), float("inf"), "", " ", "0", "1", "true", "on", "null", "~", "~no-such-user/x", "a\0b",
    "\ud800", "\x1b[31m", "$NOWHERE/x",
    "../../..", "/", "/dev/zero", "x" * 5000, "é\u0301\u202e", "{valuator}", "{0.__class__}", "{", "a.py:B",
    "~no-such-user/a.py:B", "dvrl",
    "only",
    "random", "uu", "bliss-harness-metrics/uu", "/x/y", [], {}, [[]], [None], {"": {}}, {"use": "dvrl"}, {"use": None},
    ["a", "a"],
    list(range(3000)), {str(i): i for i in range(3000)}, {"<<": {}}, b"bytes", (1, 2), {1: 2},
    {"use": "random", "values": "dvrl"},
)  # fmt: skip

TEXTS = (
    "\t", "\0", "\ufeff", "---\n", "...\n", "%YAML 1.1\n", "&a ", "*a", "<<: *a", "!!python/object:os.system ", "!!binary ",
    "? ", ": ", "- ",
    "[", "]", "{", "}", "'", '"', "|\n", ">\n", "#", "\\", "\r", "\u2028", "\x85", "[" * 500, "- " * 300,
    "9" * 6000, "0x" + "f" * 6000,
    "1e999", "0777", "1_000", ".nan", "x: " * 40, "\n" * 1000, "~", "`", "@", "\ud7ff", "\U0010ffff", "k: 1\n" * 200,
)  # fmt: skip


@contextmanager
def guarded(case: str) -> Iterator[None]:
    """Fails if what is inside raises what a user should never see, or takes longer than it may."""

    def ended(*_: object) -> None:
        raise TimeoutError(f"{case} takes more than {SECONDS} seconds")

    before = signal.signal(signal.SIGPROF, ended)  # the clock of pytest-timeout is another one
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    except HarnessError as error:
        assert error.message.strip(), case
        assert error.exit_code == 2, f"{case}: {error}"
        assert len(error.message) < 200_000, f"{case}: a message of {len(error.message)} characters"
    except Exception as error:
        raise AssertionError(f"{case}: {type(error).__name__}: {str(error)[:300]}") from error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def places(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of everything in plain data."""
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [at, *(path for key, inner in items for path in places(inner, (*at, key)))]


def mutated(data: Any, rng: random.Random) -> Any:
    """Plain data with one thing in it deleted, doubled, renamed, wrapped, exchanged or replaced by something odd."""
    data = copy.deepcopy(data)
    known = [path for path in places(data) if path]
    if not known:
        return copy.deepcopy(rng.choice(ODD))
    *way, last = rng.choice(known)
    holder = data
    for key in way:
        holder = holder[key]
    match rng.randrange(8):
        case 0:
            del holder[last]
        case 1 if isinstance(holder, dict):
            holder[rng.choice([str(last) + "x", "", "a.b", "[0]", "x" * 300, "use", "\0"])] = holder[last]
        case 1:
            holder.append(copy.deepcopy(holder[last]))
        case 2 if isinstance(holder, dict):
            other = rng.choice(list(holder))
            holder[other] = holder.pop(last)
        case 3:
            holder[last] = [holder[last]]
        case 4:
            holder[last] = {rng.choice(["use", "a", "highest"]): holder[last]}
        case 5:
            for _ in range(rng.choice([2, 10, 60])):
                holder[last] = [holder[last]]
        case 6:
            holder[last] = str(holder[last])
        case _:
            holder[last] = copy.deepcopy(rng.choice(ODD))
    return data


def fuzz_suite(number: int) -> None:
    """A suite as plain data, with up to four mutations, and sometimes assignments."""
    rng = random.Random(f"suite {number}")
    data = BASE
    for _ in range(rng.randint(1, 4)):
        data = mutated(data, rng)
    overrides = []
    if number % 5 == 0:
        path = rng.choice(
            [
                "seeds",
                "seeds[0]",
                "metrics.ece.bins",
                "arms.only.weights",
                "datasets.reviews.train",
                "x.y",
                "",
                "matrix",
            ]
        )
        overrides.append(f"{path}={rng.choice(TEXTS)}{rng.choice(['', '1', ']'])}")
    with guarded(f"fuzz_suite({number})"):
        parse_suite(data if isinstance(data, dict) else {"name": data}, overrides=overrides)


def fuzz_text(number: int, folder: Path, text: str) -> None:
    """A suite's file, with up to four pieces of its text deleted, doubled or replaced, or bytes that are no text."""
    rng = random.Random(f"text {number}")
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice([0, 1, 3, 20, 80]))
        piece = rng.choice(["", rng.choice(TEXTS), text[start:end] * 2, text[start:end] * 30])
        text = text[:start] + piece + text[end:]
    raw = bytearray(text.encode())
    if number % 7 == 0:
        raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
    path = folder / "suite.yaml"
    path.write_bytes(raw)
    with guarded(f"fuzz_text({number})"):
        load_suite(path)


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """Bytes of which some were flipped, cut, doubled or exchanged for odd ones."""
    content = bytearray(raw)
    for _ in range(rng.randint(1, 5)):
        start = rng.randrange(len(content) + 1)
        end = min(len(content), start + rng.choice([0, 1, 4, 30]))
        match rng.randrange(5):
            case 0 if start < len(content):
                content[start] ^= 1 << rng.randrange(8)
            case 1:
                del content[start:end]
            case 2:
                content[start:end] = content[start:end] * rng.choice([2, 40])
            case 3:
                content[start:end] = rng.choice(TEXTS).encode()
            case 4:
                content[start:end] = rng.choice(
                    [b"\xff\xfe", b"\0", b",", b"\n", b'"', b"null", b"NaN", b'{"a": 1}', b"1e999", b"\r"]
                )
    return bytes(content)


def fuzz_data(number: int, folder: Path, files: dict[str, bytes]) -> None:
    """A file of data of every kind that is read, damaged."""
    rng = random.Random(f"data {number}")
    name = sorted(files)[number % len(files)]
    path = folder / name
    path.write_bytes(damaged(files[name], rng))
    with guarded(f"fuzz_data({number})"):
        source = harness.component("dataset", "files", train=str(path), validation=str(path), test=str(path))
        source.load(seed=0)


def fuzz_record(number: int, folder: Path, good: Path) -> None:
    """Two records, one of them with an odd header or an odd file whose digest is right."""
    rng = random.Random(f"record {number}")
    root = folder / "records"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(good, root)
    (odd,) = root.glob("*/bliss/*")
    files = sorted(path for path in odd.glob("*.parquet"))
    path = rng.choice(files)
    kind = rng.randrange(4)
    frame = pd.read_parquet(path)
    header = json.loads((odd / HEADER).read_text(encoding="utf-8"))
    if kind == 0:
        for _ in range(rng.randint(1, 3)):
            header = mutated(header, rng)
    elif kind == 1 or frame.empty:
        path.write_bytes(damaged(path.read_bytes(), rng))
    else:
        odd_frame(frame, rng).to_parquet(path)
    if kind and isinstance(header, dict):
        header["files"][path.name] = file_digest(path)
    text = json.dumps(header, default=repr)
    (odd / HEADER).write_bytes(damaged(text.encode(), rng) if number % 11 == 0 else text.encode())
    with guarded(f"fuzz_record({number}), built"):
        Leaderboard.build(find_records([root]), baselines=()).to_markdown()
    with guarded(f"fuzz_record({number}), checked"):
        check_records([root])


def odd_frame(frame: pd.DataFrame, rng: random.Random) -> pd.DataFrame:
    """A table with a column of another type or other values, or with rows or columns missing."""
    column = rng.choice(list(frame.columns))
    values: Any = rng.choice(
        [
            None,
            "x",
            -1,
            10**18,
            1e308,
            float("nan"),
            float("inf"),
            True,
            b"\xff",
            pd.Timestamp("2020-01-01"),
            [1],
            {"a": 1},
            [],
            ["a"],
        ]
    )
    match rng.randrange(5):
        case 0:
            return frame.drop(columns=column)
        case 1:
            return frame.iloc[: rng.randrange(len(frame))]
        case 2:
            return pd.concat([frame, frame.iloc[: rng.randint(1, 3)]], ignore_index=True)
        case 3:
            return frame.assign(**{column: [values] * len(frame)})
        case _:
            cells = frame[column].tolist()
            cells[rng.randrange(len(frame))] = values if type(values) is type(cells[0]) else None
            return frame.assign(**{column: pd.Series(cells, dtype=object)})


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_suites_as_data(part: int) -> None:
    for number in range(part * 1500, (part + 1) * 1500):
        fuzz_suite(number)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
def test_suites_as_text(part: int, tmp_path: Path) -> None:
    from io import StringIO

    from ruamel.yaml import YAML

    stream = StringIO()
    YAML(typ="safe", pure=True).dump(BASE, stream)
    for number in range(part * 1250, (part + 1) * 1250):
        fuzz_text(number, tmp_path, stream.getvalue())


@pytest.mark.slow
def test_data(tmp_path: Path) -> None:
    rows = [(f'a review, of "{word}" films {i}', i % 2) for i, word in enumerate(["good", "bad", "dull", "warm"] * 5)]
    frame = pd.DataFrame(rows, columns=["text", "label"])
    frame.to_parquet(tmp_path / "good.parquet")
    files = {
        "a.csv": frame.to_csv(index=False).encode(),
        "a.tsv": frame.to_csv(index=False, sep="\t").encode(),
        "a.jsonl": frame.to_json(orient="records", lines=True).encode(),
        "a.parquet": (tmp_path / "good.parquet").read_bytes(),
    }
    for number in range(1380):
        fuzz_data(number, tmp_path, files)


@pytest.mark.slow
def test_records(tmp_path: Path) -> None:
    good = tmp_path / "good"
    for arm in (PretendArm("only"), PretendArm("bliss", skill=1.6)):
        pretend_record(good, arm, size=16, metrics=("accuracy", "uu", "ece"), resamples=2)
    for number in range(120):
        fuzz_record(number, tmp_path, good)
