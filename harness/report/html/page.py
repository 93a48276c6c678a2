"""The page: everything put together, every byte inline."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.records.model import Record, RecordFolder
from harness.report import overall_text
from harness.report.data import classes_listed, data_said
from harness.report.html import examples, spots
from harness.report.html.breakdowns import breakdowns
from harness.report.html.charting import charting
from harness.report.html.charts import charts
from harness.report.html.embed import script_json
from harness.report.html.overview import best_arm, overview
from harness.report.html.sections import Section, sections
from harness.report.html.table import Table, tables
from harness.report.html.vega import Chart
from harness.report.synthesis import syntheses
from harness.statistics.digits import exact, plural
from harness.version import __version__

if TYPE_CHECKING:
    from harness.records.model import ComponentUse
    from harness.report.groups import BoardKey
    from harness.report.leaderboard import Leaderboard

LIMIT = 5_000_000
"""Bytes that a page may have."""
MARGIN = 150_000
"""Bytes kept free below the limit."""
MOST_EXAMPLES = 2_500_000
"""Bytes that the browser of examples takes at most."""
MOST_POINTS = 1_800
"""Points of a blind-spot map at most, fewer where there are many data sets."""
SEED = 0
"""Decides what is drawn where not everything is shown."""


@cache
def asset(*path: str) -> Markup:
    """A file of this package, trusted as it is."""
    return Markup(files("harness.report.html").joinpath(*path).read_text(encoding="utf-8").strip())  # noqa: S704


def policy(scripts: Sequence[str]) -> str:
    """A content security policy: only these scripts run, and nothing is ever requested."""
    digests = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    rules = ["default-src 'none'", f"script-src {digests}", "style-src 'unsafe-inline'", "img-src data:"]
    return "; ".join([*rules, "base-uri 'none'", "form-action 'none'"])


def environment() -> Environment:
    """The template environment: everything is escaped, and a name that is missing is an error."""
    return Environment(
        loader=PackageLoader("harness.report.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def chart_context(chart: Chart) -> dict[str, Any]:
    """A chart as the template wants it."""
    height = chart.spec.get("height", 420)
    return {**vars(chart), "json": script_json(chart.spec), "height": height}


def section_context(section: Section, leaderboard: Leaderboard, *, points: int) -> dict[str, Any]:
    """A data set's section."""
    spot_map = spots.blind_spot_map(section, limit=points, seed=SEED)
    found = [chart for chart in (overview(section, leaderboard), *charts(section), spot_map) if chart is not None]
    narrow = [chart for chart in found if not chart.wide]
    found = [chart for chart in found if chart.wide] + narrow
    if len(narrow) % 2:  # they stand in pairs
        found[-1] = replace(found[-1], wide=True)
    data = section.header.data
    parts = [data.description] if data.description else []
    others = f"{data.train:,} training, {data.validation:,} validation and " if data.train else ""
    parts.append(f"{others}{data.test:,} test examples;")
    parts.append(
        f"{classes_listed(data.labels)}; {plural(len(section.arms), 'arm')}, {plural(len(section.seeds), 'seed')}."
    )
    return {
        "key": section.key,
        "title": section.title,
        "summary": " ".join(parts),
        "notes": data_said(data),
        "arms": [(arm, section.palette.index(arm) % 8) for arm in section.arms],
        "figures": [chart_context(chart) for chart in found],
        "breakdowns": breakdowns(section),
        "points": spot_map.caption.partition(".")[0] if spot_map and spot_map.caption.startswith("A sample") else None,
    }


def provenance(sections: Sequence[Section]) -> list[dict[str, Any]]:
    """What the records of each data set were made with."""
    return [{"title": section.title, "facts": section_facts(section.header, section)} for section in sections]


def section_facts(header: Record, section: Section) -> list[tuple[str, str]]:
    """Facts about the records of a section, as pairs of name and value."""
    facts = [
        ("Suite", header.suite),
        ("Board", header.board[:16]),
        ("Data fingerprint", header.data.fingerprint[:16]),
        ("Baseline", section.baseline),
        ("Thresholds τ", ", ".join(exact(tau) for tau in header.thresholds)),
        ("Seeds", ", ".join(map(str, section.seeds))),
    ]
    facts += [(_role(role), _used(use)) for role, use in shared_components(section).items()]
    said: dict[str, list[str]] = {}
    for (arm, _), member in section.records.items():
        if member.header.classes and arm not in said.setdefault(member.header.classes, []):
            said[member.header.classes].append(arm)
    facts += [(f"Arm {arm}", how) for arm, how in arms_made(section)]
    facts += [(f"Classes of {', '.join(arms)}", sentence) for sentence, arms in said.items()]
    for made in syntheses(member.record for member in section.records.values()):
        facts.append((f"Made by {made.generator} for {' and '.join(made.arms)}", made.summary))
    packages = ", ".join(f"{name} {number}" for name, number in sorted(header.environment.packages.items()))
    where = header.environment
    facts.append(
        ("Environment", f"Python {where.python}, {where.platform}, {where.device}, {plural(where.threads, 'thread')}")
    )
    if packages:
        facts.append(("Packages", packages))
    return facts


def shared_components(section: Section) -> dict[str, ComponentUse]:
    """By role, the components that are the same in every record that has the role."""
    found: dict[str, list[ComponentUse]] = {}
    for member in section.records.values():
        for role, use in member.header.components.items():
            found.setdefault(role, []).append(use)
    everywhere = len(section.records)
    return {
        role: uses[0] for role, uses in found.items() if len(uses) == everywhere and all(u == uses[0] for u in uses)
    }


def arms_made(section: Section) -> list[tuple[str, str]]:
    """How each arm was made: what it is beyond what all share, with versions and options, and the command that makes it."""
    shared = shared_components(section)
    made: dict[str, str] = {}
    for (arm, _), member in section.records.items():
        header = member.header
        if arm in made:
            continue
        own = [f"{_role(role)}: {_used(use)}" for role, use in header.components.items() if role not in shared]
        if normalisation := header.arm_definition.get("weights_normalisation"):
            own += [f"Weights normalised: {normalisation}"] if "weights" in header.components else []
        command = f"harness run suites/{header.suite}.yaml --dataset {header.dataset} --arm {arm} --seed {header.seed}"
        made[arm] = f"{'; '.join(own) or 'fine-tuned on the original training set as it is'}. Again: {command}"
    return list(made.items())


def _role(role: str) -> str:
    return role.replace("_", " ").replace(":", ": ").capitalize()


def _used(use: ComponentUse) -> str:
    options = ", ".join(f"{name}={value!r}" for name, value in use.options.items())
    return f"{use.name} {use.version}" + (f" ({options})" if options else "")


def all_columns(found: Sequence[Table]) -> list[Any]:
    """The columns of all tables, each once."""
    return list({column.key: column for table in found for column in table.columns}.values())


def page(
    records: Sequence[RecordFolder],
    leaderboard: Leaderboard,
    *,
    title: str,
    claimed: Mapping[BoardKey, Set[str]] | None = None,
) -> str:
    """The page as text; see :func:`harness.report.html.render`."""
    parts = sections(records)
    arms = dict.fromkeys(row.arm for board in leaderboard.boards for row in board.rows)
    palette = parts[0].palette if parts else tuple(arms)
    points = min(MOST_POINTS, 3 * MOST_POINTS // max(1, len(parts)))
    shown = [section_context(section, leaderboard, points=points) for section in parts]
    found = tables(leaderboard.boards, palette, claimed)
    libraries = [charting()] if parts else []
    names = ("leaderboard", "charts", "examples") if parts else ("leaderboard",)
    app = Markup("\n").join(asset("static", f"{name}.js") for name in names)
    scripts = {"theme": asset("static", "theme.js"), "app": app}
    context: dict[str, Any] = {
        "title": title,
        "overall": [
            {
                "title": overall_text.title(one),
                "heads": overall_text.HEADS,
                "rows": [overall_text.cells(one, row) for row in one.rows],
                "captions": overall_text.captions(one),
            }
            for one in leaderboard.overall
        ],
        "version": __version__,
        "policy": policy([*scripts.values(), *libraries]),
        "style": asset("static", "style.css"),
        "scripts": scripts,
        "libraries": libraries,
        "level": f"{leaderboard.level:.0%}",
        "tables": found,
        "board_options": [("", "All"), *((str(i), table.title) for i, table in enumerate(found))],
        "all_columns": all_columns(found),
        "any_reported": any(line.row.reported for table in found for line in table.rows),
        "boards": shown,
        "facts": facts(parts, leaderboard),
        "provenance": provenance(parts),
    }
    template = environment().get_template("page.html.j2")
    bare = template.render(**context, has_examples=False, sampled="")
    budget = max(0, min(MOST_EXAMPLES, LIMIT - MARGIN - len(bare.encode())))
    data = examples.browser_data(parts, budget=budget, seed=SEED)
    for item, section in zip(data, parts, strict=True):
        item["best"] = best_arm(section, leaderboard)
    return template.render(
        **context,
        has_examples=any(item["examples"] or item["uus"] for item in data),
        examples_json=script_json(data),
        examples_note=sample_note(data),
        sampled=sampled(data, shown),
    )


def facts(sections: Sequence[Section], leaderboard: Leaderboard) -> list[tuple[str, str]]:
    """The figures at the top of the page."""
    if not sections:
        return [_counted(len(leaderboard.boards), "board")]
    return [
        _counted(len(sections), "data set"),
        _counted(len({arm for section in sections for arm in section.arms}), "arm"),
        _counted(len({seed for section in sections for seed in section.seeds}), "seed"),
        _counted(sum(len(section.records) for section in sections), "record"),
        _counted(sum(section.header.data.test for section in sections), "test example"),
        ("primary threshold τ", exact(sections[0].thresholds[0])),
    ]


def _counted(count: int, noun: str) -> tuple[str, str]:
    number, _, name = plural(count, noun).partition(" ")
    return name, number


def sample_note(data: Sequence[dict[str, Any]]) -> str:
    """How many of the test examples the browser holds."""
    shown, total = sum(len(item["examples"]) for item in data), sum(item["total"] for item in data)
    return "All test examples." if shown == total else f"A sample of {shown:,} of the {total:,} test examples."


def sampled(data: Sequence[dict[str, Any]], sections: Sequence[dict[str, Any]]) -> str:
    """What the page leaves out to stay small."""
    parts = [
        f"{item['title']}: the browser holds {len(item['examples']):,} of {item['total']:,} test examples and "
        f"{len(item['uus']):,} of {item['total_uus']:,} unknown unknowns of the training set."
        for item in data
        if len(item["examples"]) < item["total"] or len(item["uus"]) < item["total_uus"]
    ]
    parts += [
        f"{section['title']}: the map shows {section['points'][0].lower()}{section['points'][1:]}."
        for section in sections
        if section["points"]
    ]
    note = (
        f" Samples are drawn with seed {SEED}; examples that changed sides are preferred. "
        "All curves and figures are of all test examples."
    )
    return " ".join(parts) + note if parts else ""
