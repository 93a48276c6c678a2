"""``harness run --dry-run``."""

from __future__ import annotations

from harness.commands.common import Selection, console


def show_forecast(selection: Selection, *, store: str, engine: str | None) -> None:
    """Print what a run would compute: stages by resource, critical path, hours as far as the store knows like stages."""
    from harness.engines.demand import missing
    from harness.engines.forecast import forecast
    from harness.engines.options import EngineOptions, factory
    from harness.running.runner import prepare
    from harness.store.places import open_store

    if engine is not None:
        factory(engine)(EngineOptions())  # is there such an engine, and what it needs
    suite = selection.suite()
    artifacts = open_store(store, read_only=True)
    needed = missing(prepare(suite).targets(), artifacts)
    found, screen = forecast(needed, artifacts), console()
    if not needed:
        screen.print(f"{suite.name}: nothing to compute.", markup=False)
        return
    gpu = found.resources.get("GPU", 0)
    screen.print(
        f"{suite.name}: {len(needed)} stages to compute; {gpu} of them use a GPU where there is one.", markup=False
    )
    for kind, (count, seconds) in found.kinds.items():
        known = "no like stage in the store" if seconds is None else f"about {hours(seconds)} each"
        screen.print(f"  {count} × {kind}: {known}", markup=False)
    screen.print(f"Critical path, {len(found.path)} stages, {hours(found.path_seconds)}:", markup=False)
    for title in found.path:
        screen.print(f"  {title}", markup=False)
    lacking = f", without {found.unknown} of unknown length" if found.unknown else ""
    screen.print(f"One after the other: {hours(found.seconds)}{lacking}.", markup=False)


def hours(seconds: float) -> str:
    """Hours, or seconds where they are few.

    >>> hours(5400), hours(12.34)
    ('1.50 h', '12.3 s')
    """
    return f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds:.1f} s"
