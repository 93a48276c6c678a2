"""``harness fetch``."""

from __future__ import annotations

from harness.commands.common import Selection, console
from harness.errors import InputError
from harness.registry import blaming


def fetch_suite(selection: Selection) -> None:
    """Have every component of a suite download what it needs, and say what is there.

    Raises:
        InputError: Something cannot be had: every component's complaint, with its place in the suite. The others are fetched.
    """
    screen, problems = console(), []
    for path, slot in selection.suite().slots():
        try:
            with blaming(slot.entry):
                found = slot.component.fetch()
        except InputError as error:
            problems.append(f"{path}: {error}")
            continue
        screen.print(f"{path} ({slot.use}): {found or 'nothing to download'}", markup=False, soft_wrap=True)
    if problems:
        raise InputError("\n".join(problems))
