"""Results in the shapes that other tools read: the results JSON of lm-eval, and evaluation results of the Hugging Face Hub.

Both describe one model, so there is one file per arm. Reported rows are not exported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness.errors import InputError
from harness.report.frames import as_json, rounded
from harness.version import __version__

if TYPE_CHECKING:
    from harness.report.leaderboard import Leaderboard
    from harness.report.model import Board, Row


def arms(leaderboard: Leaderboard) -> list[str]:
    """Names of the measured arms."""
    return sorted({row.arm for board in leaderboard.boards for row in board.measured})


def _rows(leaderboard: Leaderboard, arm: str) -> list[tuple[str, Board, Row]]:
    """The rows of an arm with a name for each board: the data set, and the suite where that is not enough."""
    found = [(board, row) for board in leaderboard.boards for row in board.measured if row.arm == arm]
    if not found:
        raise InputError(f"No measured arm is called {arm!r}.", hint=f"There are: {', '.join(arms(leaderboard))}.")
    names = [board.dataset for board, _ in found]
    unique = len(set(names)) == len(names)
    return [
        (name if unique else f"{board.suite}/{name}", board, row)
        for name, (board, row) in zip(names, found, strict=True)
    ]


def lm_eval(leaderboard: Leaderboard, arm: str) -> str:
    """An arm's figures as results JSON of lm-eval: data sets are its tasks, ``SCORE,none`` its metrics.

    The standard error under ``SCORE_stderr,none`` is the half-width of the 95 % interval over 1.96.

    Raises:
        InputError: No measured arm has that name.
    """
    from scipy import stats

    quantile = float(stats.norm.ppf(0.5 + leaderboard.level / 2))
    output: dict[str, Any] = {
        name: {} for name in ("results", "configs", "versions", "n-shot", "higher_is_better", "n-samples")
    }
    for task, board, row in _rows(leaderboard, arm):
        figures: dict[str, Any] = {"alias": task}
        for name, figure in row.scores.items():
            known = figure.low is not None and figure.high is not None
            figures[f"{name},none"] = figure.value
            figures[f"{name}_stderr,none"] = (
                ((figure.high or 0) - (figure.low or 0)) / (2 * quantile) if known else "N/A"
            )
        output["results"][task] = figures
        output["configs"][task] = {
            "task": task,
            "metric_list": [{"metric": name} for name in row.scores],
            "metadata": {"suite": board.suite, "board": board.board, "arm": arm, "definition": row.definition},
        }
        output["versions"][task] = board.board
        output["n-shot"][task] = 0
        output["higher_is_better"][task] = {
            name: board.scores[name].better == "higher" for name in row.scores if board.scores[name].better is not None
        }
        output["n-samples"][task] = {"original": board.test, "effective": board.test}
    output["config"] = {
        "model": "bliss-harness",
        "model_args": arm,
        "seeds": sorted({seed for _, _, row in _rows(leaderboard, arm) for seed in row.seeds}),
    }
    output["model_name"] = arm
    output["bliss_harness_version"] = __version__
    return as_json(output)


def hf_yaml(leaderboard: Leaderboard, arm: str) -> str:
    """An arm's figures as evaluation results of the Hugging Face Hub, to be kept as ``.eval_results/NAME.yaml``.

    That format knows no intervals; they are in the notes.

    Raises:
        InputError: No measured arm has that name.
    """
    import io

    from ruamel.yaml import YAML

    entries = []
    for task, board, row in _rows(leaderboard, arm):
        for name, figure in row.scores.items():
            if figure.value is None:
                continue
            notes = [f"arm {arm}", f"{board.test} test examples", f"seeds {', '.join(map(str, row.seeds))}"]
            notes += [f"data {fingerprint[:16]}" for fingerprint in dict.fromkeys(board.fingerprints.values())]
            if figure.low is not None and figure.high is not None:
                notes.append(f"95 % interval {figure.low:.6g} to {figure.high:.6g}")
            if row.flags:
                notes.append(f"flagged: {', '.join(row.flags)}")
            entries.append(
                {
                    "dataset": {"id": task, "task_id": name},
                    "value": figure.value,
                    "source": {"name": f"bliss-harness, suite {board.suite}"},
                    "notes": "; ".join(notes),
                }
            )
    stream = io.StringIO()
    yaml = YAML()
    yaml.width = 4096
    yaml.dump(rounded(entries), stream)
    return stream.getvalue()
