"""The paragraph on methods: what was run, in sentences made from the records, and nothing that they do not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.report.markup import escape_latex
from harness.report.paper.citations import Citation, citations
from harness.statistics.digits import exact, plural
from harness.version import __version__

if TYPE_CHECKING:
    from harness.records.model import ComponentUse, Record, RecordFolder
    from harness.report.leaderboard import Leaderboard
    from harness.report.model import Board


def used(records: Sequence[RecordFolder], leaderboard: Leaderboard) -> list[str]:
    """What literature is cited for: components as ``KIND:NAME``, and the harness's own methods."""
    names: dict[str, None] = {}
    for record in records:
        for _, use in sorted(record.header.components.items()):
            names[f"{use.kind}:{use.name}"] = None
    tests = {d.test for board in leaderboard.boards for row in board.measured for d in row.differences.values()}
    if tests:
        names["holm"] = None
    if "exact McNemar" in tests:
        names["mcnemar"] = None
    if leaderboard.overall:
        names["overall"] = None
    return list(names)


def methods(records: Sequence[RecordFolder], leaderboard: Leaderboard) -> str:
    """LaTeX: a paragraph per suite."""
    known = citations(used(records, leaderboard))
    return "\n\n".join(
        " ".join(_sentences(suite, [r.header for r in records if r.header.suite == suite], leaderboard, known))
        for suite in dict.fromkeys(record.header.suite for record in records)
    )


def _sentences(
    suite: str, headers: Sequence[Record], leaderboard: Leaderboard, known: Sequence[Citation]
) -> Iterator[str]:
    boards = [board for board in leaderboard.boards if board.suite == suite and board.measured]
    for board in boards:
        yield _data(board, next(h for h in headers if h.dataset == board.dataset), known)
    header, board = headers[0], boards[0]
    taus = ", ".join(exact(tau) for tau in header.thresholds)
    yield (
        f"An unknown unknown is a wrong prediction with a confidence of at least $\\tau$, here {taus}"
        f"{_cite(known, 'metric:uu', 'always')}."
    )
    if (attack := header.components.get("test_attack")) is not None:
        yield f"Test sets were attacked by {_named(attack, known)}."
    for arm, one in {h.arm: h for h in headers}.items():
        yield _arm(arm, one, known)
    yield from _statistics(board, leaderboard, known)
    yield f"All figures were computed by bliss-harness {escape_latex(__version__)}, suite {_it(suite)}."


def _data(board: Board, header: Record, known: Sequence[Citation]) -> str:
    seeds = sorted({seed for row in board.measured for seed in row.seeds})
    data, model = header.components["dataset"], header.components["model"]
    checkpoint = model.options.get("checkpoint")
    which = f" ({_it(str(checkpoint))})" if checkpoint else ""
    sizes = (
        f"{header.data.train:,} training, {header.data.validation:,} validation and {header.data.test:,} test examples"
    )
    cited = _cite(known, f"dataset:{_short(data)}")
    return (
        f"On {_it(board.dataset)}{cited} ({sizes}, {len(header.data.labels)} classes), classifiers of the kind "
        f"{_named(model, known)}{which} were trained under {plural(len(seeds), 'seed')}."
    )


def _arm(arm: str, header: Record, known: Sequence[Citation]) -> str:
    parts = []
    components = header.components
    if "selector" in components:
        chosen = f"examples chosen by {_named(components['selector'], known)}"
        if "selector_values" in components:
            chosen += f" from the data values of {_named(components['selector_values'], known)}"
        attack = f", attacked by {_named(components['attack'], known)}," if "attack" in components else ""
        parts.append(f"synthetic examples by {_named(components['generator'], known)} from {chosen}{attack}")
    if "weights" in components:
        parts.append(f"a loss weighted by the data values of {_named(components['weights'], known)}")
    if "order" in components:
        parts.append(f"batches ordered by the data values of {_named(components['order'], known)}")
    if not parts:
        return f"Arm {_it(arm)} is trained on the original data as they are."
    return f"Arm {_it(arm)}: {', and '.join(part.rstrip(',') for part in parts)}."


def _statistics(board: Board, leaderboard: Leaderboard, known: Sequence[Citation]) -> Iterator[str]:
    differences = [row.differences.get(board.primary or "") for row in board.measured]
    tests = {found.test for found in differences if found is not None}
    if not tests:
        return
    yield (
        f"Arms are ranked by {_it(board.primary or '')}; differences to {_it(board.baseline)} are paired on the same test "
        f"examples, with {leaderboard.level:.0%} intervals from a cluster bootstrap over texts".replace("%", r"\%")
        + (" and seeds." if "two-level t" in tests else ".")
    )
    if "exact McNemar" in tests:
        yield f"The ranking score is tested by McNemar's exact test{_cite(known, 'mcnemar')}."
    yield f"$p$-values are adjusted by Holm's method{_cite(known, 'holm')}."
    if board.one_seed:
        yield "With one seed, trained networks are compared, not methods."
    if any(one.suite == board.suite for one in leaderboard.overall):
        yield (
            "Over data sets, paired differences are averaged, and ranks are intervals from all pairwise comparisons"
            f"{_cite(known, 'overall')}."
        )


def _named(use: ComponentUse, known: Sequence[Citation]) -> str:
    return f"{_it(_short(use))}{_cite(known, f'{use.kind}:{_short(use)}')}"


def _short(use: ComponentUse) -> str:
    return use.name.rpartition("/")[2]


def _cite(known: Sequence[Citation], *names: str) -> str:
    keys = [entry.key for entry in known if entry.used & set(names)]
    return f"~\\cite{{{','.join(keys)}}}" if keys else ""


def _it(text: str) -> str:
    return rf"\textit{{{escape_latex(text)}}}"
