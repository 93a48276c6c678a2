"""``harness audit``: what a classifier that somebody has already gets wrong, and how confidently."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.components.file import names_file
from harness.errors import InputError
from harness.models.checkpoints import EMBEDDED

if TYPE_CHECKING:
    from rich.console import Console

    from harness.records.model import RecordFolder
    from harness.suite import Suite

METRICS = ("accuracy", "uu", "confidence", "ece", "aurc", "brier", "attack", "blind-spots")
SHOWN_SPOTS, SHOWN_EXAMPLES = 5, 3


@dataclass(frozen=True)
class Audit:
    """What is to be audited, as the command line says it.

    Attributes:
        data: File of labelled texts.
        model: The classifier: a folder or hub name, ``./serve.py:function``, a file of joblib or pickle, or a URL.
        predictions: A file of its predictions instead.
        text: Column of the text.
        text_pair: Column of the second text.
        label: Column of the label.
        labels: Class names by index.
        outputs: What the classifier calls its outputs, in their order.
        logits: Whether it gives logits.
        attack: Name of the attack, empty for none.
        attacked: Test examples that it is put to.
        trust_pickle: Whether a pickled file may be read.
        seed: Decides which examples are attacked.
        groups: Columns by which figures are given as well.
        encoding: Encoding of the data.
        separator: What separates its fields.
        filters: Rows to take, each ``COLUMN=VALUE``.
        drop_empty: Whether rows without text are left out.
    """

    data: Path
    model: str | None = None
    predictions: Path | None = None
    text: str = "text"
    text_pair: str | None = None
    label: str = "label"
    labels: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    logits: bool = False
    attack: str = "deepwordbug"
    attacked: int = 500
    trust_pickle: bool = False
    seed: int = 0
    groups: tuple[str, ...] = ()
    encoding: str = "utf-8"
    separator: str = "auto"
    filters: tuple[str, ...] = ()
    drop_empty: bool = False

    def suite(self) -> Suite:
        """The suite that does it: one data set, one model, one arm, which is the model's classifier as it is.

        Raises:
            InputError: Neither a model nor predictions are given, or both; or the suite is refused.
        """
        from harness.suite import parse_suite

        if (self.model is None) == (self.predictions is None):
            raise InputError(
                "Say what to audit: --model MODEL, or --predictions FILE for predictions that are there already."
            )
        data: dict[str, Any] = {"use": "labelled", "path": str(self.data), "text": self.text, "label": self.label}
        data |= {"groups": list(self.groups)} if self.groups else {}
        data |= {"encoding": self.encoding, "separator": self.separator, "drop_empty": self.drop_empty}
        data |= {"filter": self._filter()} if self.filters else {}
        data |= {"text_pair": self.text_pair} if self.text_pair else {}
        data |= {"labels": list(labels)} if (labels := self.labels or self._stated()) else {}
        return parse_suite(
            {
                "name": f"audit-{_plain(self.data.stem)}",
                "description": f"Audit of {self.model or self.predictions} on {self.data.name}.",
                "seeds": [self.seed],
                "models": {"given": self._model()},
                "datasets": {_plain(self.data.stem): data},
                "base": "given",
                "test_attack": {"use": self.attack, "limit": self.attacked} if self.attack else None,
                "arms": {"given": {"description": str(self.model or self.predictions)}},
                "metrics": list(METRICS),
            },
            source="<audit>",
        )

    def _filter(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for asked in self.filters:
            column, equals, value = asked.partition("=")
            if not equals or not column:
                raise InputError(f"--filter is {asked!r}; expected COLUMN=VALUE.")
            found.setdefault(column, []).append(value)
        return found

    def _model(self) -> dict[str, Any]:
        if self.predictions is None and self.model is not None and _is_checkpoint(self.model):
            return {"use": "transformers", "checkpoint": self.model}
        given: dict[str, Any] = {"labels": list(self.outputs)} if self.outputs else {}
        given |= {"scale": "logits"} if self.logits else {}
        given |= {"encoder": EMBEDDED} if importlib.util.find_spec(EMBEDDED.partition(":")[2]) else {}
        if self.predictions is not None:
            return {"use": "predictions", "path": str(self.predictions), **given}
        assert self.model is not None  # noqa: S101 - one of both is given
        if self.model.startswith(("http://", "https://")):
            return {"use": "endpoint", "url": self.model, **given}
        return {"use": "python", "source": self.model, "trust_pickle": self.trust_pickle, **given}

    def _stated(self) -> tuple[str, ...]:
        """The class names in the order of a checkpoint's outputs, where its configuration names them and the data does too."""
        if self.model is None or not _is_checkpoint(self.model):
            return self.outputs
        from harness.models.checkpoints import resolve
        from harness.models.head import outputs_of_head

        folder = resolve(self.model).here()
        outputs = None if folder is None else outputs_of_head(folder)
        return () if outputs is None or any(name.upper().startswith("LABEL_") for name in outputs) else outputs


def _is_checkpoint(model: str) -> bool:
    from harness.models.python_callable import PICKLES

    return not (names_file(model) or model.endswith(PICKLES) or model.startswith(("http://", "https://")))


def _plain(name: str) -> str:
    return (
        "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "-" for char in name.lower()).strip(
            "-._"
        )
        or "data"
    )


def run_audit(audit: Audit, *, output: Path, store: str, quiet: bool) -> None:
    """Run the suite of an audit and print what it found."""
    from harness.commands.common import console
    from harness.commands.run import classes_said, data_lines
    from harness.observers.display import PlainDisplay, RichDisplay, duration
    from harness.report.groups import Group
    from harness.report.terminal_breakdown import BreakdownView
    from harness.running.runner import failed, run

    screen, notes = console(), console(stderr=True)
    display: Any = None if quiet else (RichDisplay(notes) if notes.is_terminal else PlainDisplay(notes))
    try:
        result = run(
            audit.suite(),
            output=output,
            store=store,
            observers=[display] if display else [],
            complain=lambda line: notes.print(f"warning: {line}", style="yellow", markup=False),
        )
    finally:
        if isinstance(display, RichDisplay):
            display.stop()
    if error := failed(result):
        raise error
    for line in [*data_lines(result.records), *classes_said(result.records)]:
        notes.print(f"note: {line}", style="yellow", markup=False)
    for record in result.records:
        show(record, screen)
        for name in audit.groups:
            screen.print(BreakdownView(Group([record]), name))
    if not quiet:
        notes.print(f"{duration(result.seconds)}. Page: {result.folder / 'report.html'}", markup=False)


def show(record: RecordFolder, screen: Console) -> None:
    """Print the figures of an audit and its blind spots, in words."""
    from harness.report.data import classes_listed, unequal
    from harness.statistics.digits import exact

    scores, data, tau = record.header.scores, record.header.data, exact(record.header.thresholds[0])

    def figure(name: str, *, count: bool = False) -> str:
        found = scores.get(name)
        if found is None or found.value is None:
            return "–"
        return f"{found.value:,.0f}" if count else f"{100 * found.value:.1f} %"

    n = data.test
    screen.print(f"{n:,} examples, {classes_listed(data.labels)}", style="bold", markup=False)
    lines = [
        ("accuracy", f"{figure('accuracy/clean')} (balanced over classes: {figure('balanced_accuracy/clean')})"),
        ("mean confidence", f"{figure('confidence/clean')}, calibration error {figure('ece/clean')}"),
    ]
    for threshold in record.header.thresholds:
        at = exact(threshold)
        count, rate = figure(f"uu@{at}/clean", count=True), figure(f"uu_rate@{at}/clean")
        balanced = f", balanced over classes {100 * _balanced(record, threshold):.1f} %" if unequal(data) else ""
        lines.append((f"confident and wrong, τ = {at}", f"{count} ({rate}{balanced})"))
    if "attack_success_rate" in scores:
        attacked = scores[f"uu@{tau}/deployed"].n or n
        lines.append(("attacked", f"{attacked:,} examples, of those it had right {figure('attack_success_rate')} fell"))
        lines.append(
            (f"confident and wrong then, τ = {tau}", f"{figure(f'uu@{tau}/deployed', count=True)} of {attacked:,}")
        )
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        screen.print(f"  {name:<{width}}  {text}", markup=False)
    recall = scores.get("balanced_accuracy/clean")
    if recall is not None and recall.value is not None and 2 * recall.value * len(data.labels) < 1:
        screen.print(
            "Fewer than half as many are right as by chance: are the classes in the order of the outputs? See --labels and "
            "--output-label.",
            style="yellow",
            markup=False,
        )
    _spots(record, screen, tau)


def _balanced(record: RecordFolder, tau: float) -> float:
    """Mean, over the classes of the test set, of the share of a class about which the classifier is confident and wrong."""
    import numpy as np

    from harness.report.groups import Member
    from harness.unknowns import CLEAN

    clean = Member(record).populations[CLEAN]
    return float(np.mean([clean.uu(tau)[clean.labels == label].mean() for label in np.unique(clean.labels)]))


def _spots(record: RecordFolder, screen: Console, tau: str) -> None:
    from harness.report.groups import Group
    from harness.report.notes import no_spots

    names = record.header.data.labels
    table = record.frame("tables/blind-spots.blind_spots")
    exemplars = record.frame("tables/blind-spots.blind_spot_exemplars")
    own = None if table is None else table[table["arm"] == "this"]
    if own is None or exemplars is None or not len(own):
        for line in no_spots(Group([record])):
            screen.print(line, markup=False, soft_wrap=True)
        return
    screen.print(f"Blind spots: confident errors (τ = {tau}) that lie close together", style="bold", markup=False)
    for row in own.head(SHOWN_SPOTS).to_dict("records"):
        screen.print(
            f"  {row['size']} examples of {names[row['label']]} taken for {names[row['predicted']]}, mean confidence "
            f"{row['confidence']:.2f}",
            markup=False,
        )
        if row["words"]:
            screen.print(f"    words: {row['words']}", markup=False)
        mine = exemplars[(exemplars["arm"] == "this") & (exemplars["spot"] == row["spot"])]
        for text in mine["text"].head(SHOWN_EXAMPLES):
            flat = " ".join(str(text).split())
            screen.print(f"    · {flat[:68]}{'…' if len(flat) > 68 else ''}", style="dim", markup=False)
    if len(own) > SHOWN_SPOTS:
        screen.print(f"  … and {len(own) - SHOWN_SPOTS} more on the page", style="dim", markup=False)
