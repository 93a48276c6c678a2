"""What a reader of a board has to know besides its figures."""

from __future__ import annotations

from harness.components.score_name import ScoreName
from harness.errors import did_you_mean
from harness.report.breakdown import worst_lines
from harness.report.groups import Group
from harness.unknowns import CLEAN


def notes(group: Group, baseline: str | None, primary: str | None) -> list[str]:
    """What a reader of a board has to know besides its figures, line by line.

    Args:
        group: Its records.
        baseline: The baseline arm; ``None`` where it is not among the records.
        primary: The score that ranks; ``None`` where there is none.
    """
    found = []
    if baseline is None:
        named = f"The baseline arm {group.baseline!r}" if group.baseline else "A baseline"
        found.append(f"{named} is not among the records: no differences.")
    if group.header.primary and primary is None:
        found.append(
            f"The suite ranks by {group.header.primary}, which none of its metrics gives: no ranks. "
            + did_you_mean(group.header.primary, group.scores)
        )
    elif primary is None:
        found.append("The records count no unknown unknowns (metric uu): no ranks.")
    elif not group.header.primary and ScoreName.parse(primary).counts_uus:
        found.append(
            "Errors at matched coverage were not measured (metric matched-uu), so that unknown unknowns rank, and arms that are"
            " merely less confident stand apart."
        )
    lacking = {arm: sorted(set(group.seeds) - set(group.members[arm])) for arm in group.arms}
    for arm, seeds in lacking.items():
        if seeds:
            found.append(f"Arm {arm} lacks seed {', '.join(map(str, seeds))}; it is compared on the others.")
    headers = (member.header for seeds in group.members.values() for member in seeds.values())
    uses = (use for header in headers for use in header.components.values())
    trusted = {use.name for use in uses if use.options.get("trust_remote_code") is True}
    members = [member for seeds in group.members.values() for member in seeds.values()]
    if sizes := {score.n for member in members for score in member.header.scores.values() if score.n is not None}:
        found.append(
            f"{max(sizes):,} of the {group.header.data.test:,} test examples were attacked, a sample drawn by seed: perturbed, "
            "deployed and attacked figures are of these, clean ones of all."
        )
    found += [f"{name} ran code that came with its checkpoint, as the suite allowed." for name in sorted(trusted)]
    return found + worst_lines(group) + no_spots(group)


def no_spots(group: Group) -> list[str]:
    """Why arms have no blind spots, line by line, where the metric looked for them."""
    lines: dict[str, list[str]] = {}
    for arm in group.arms:
        members = group.members[arm].values()
        if {member.value("blind_spots") for member in members} != {0.0}:
            continue
        header = next(iter(members)).header
        options = next((use.options for use in header.components.values() if use.name.endswith("/blind-spots")), {})
        least, tau = options.get("min_size", 3), header.thresholds[0]
        population = str(options.get("population", CLEAN))
        counts = [
            int(member.populations.get(population, member.populations[CLEAN]).uu(tau).sum()) for member in members
        ]
        how = "no" if max(counts) == 0 else f"{max(counts):,}" if len(counts) == 1 else f"at most {max(counts):,}"
        why = f"{how} unknown unknown{'' if max(counts) == 1 else 's'} at {tau:g} ({population})"
        if max(counts) >= least:
            why += f", of which no {least} lie close together (options closeness and min_size of blind-spots)"
        elif max(counts):
            why += f", fewer than the {least} that make a blind spot"
        lines.setdefault(why, []).append(arm)
    return [
        f"No blind spots of {', '.join(arms)}: {'it has' if len(arms) == 1 else 'each has'} {why}."
        for why, arms in lines.items()
    ]
