"""Every attack keeps the public contract."""

from __future__ import annotations

import importlib.util

import pytest

from harness.testing import AttackContract, MetricContract


class TestNone(AttackContract):
    name = "none"


class TestDeepWordBug(AttackContract):
    name = "deepwordbug"


class TestCombinedScore(AttackContract):
    name = "deepwordbug"
    options = {"ranking": "combined", "edits": ["substitute"], "max_queries": 60}  # noqa: RUF012


class TestCharSwap(AttackContract):
    name = "char-swap"
    options = {"rate": 0.5, "tries": 3}  # noqa: RUF012


class TestTypos(AttackContract):
    name = "typos"
    options = {"rate": 0.2, "tries": 3}  # noqa: RUF012


class TestCheckList(AttackContract):
    name = "checklist"


@pytest.mark.skipif(importlib.util.find_spec("textblob_aptagger") is None, reason="needs the extra textfooler")
class TestTextFooler(AttackContract):
    name = "textfooler"


class TestValidity(MetricContract):
    name = "attack-validity"
