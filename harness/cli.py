"""The command line: thin commands over the public interface.

Every command imports what it needs when it runs, so that ``harness --help`` is instant.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.commands.streams import UNWRITABLE, silence, tolerate_encodings
from harness.disk import DEFAULT_OUTPUT, DEFAULT_STORE
from harness.errors import HarnessError

app = typer.Typer(
    help="Benchmark for finding and mitigating the blind spots (confident errors) of text classifiers.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _suite_file(given: Path) -> Path:
    from harness.suite.shipped import suite_file

    return suite_file(given)


SuiteFile = Annotated[
    Path,
    typer.Argument(
        metavar="SUITE",
        help="A suite file (YAML), or the name of one that comes with the harness.",
        show_default=False,
        callback=_suite_file,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the suite: valuators.dvrl.iterations=500."),
]
Arms = Annotated[list[str] | None, typer.Option("--arm", metavar="NAME", help="Only this arm (repeatable).")]
Datasets = Annotated[
    list[str] | None, typer.Option("--dataset", metavar="NAME", help="Only this data set (repeatable).")
]
Seeds = Annotated[list[int] | None, typer.Option("--seed", metavar="N", help="Only this seed (repeatable).")]
Limit = Annotated[int | None, typer.Option(metavar="N", help="At most N examples in every split.")]
StorePlace = Annotated[
    str,
    typer.Option(
        "--store", metavar="PLACE", envvar="HARNESS_STORE", help="The artifact store: a folder, or a URL (s3://...)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _say_version(wanted: bool) -> None:
    if wanted:
        from harness.version import __version__

        typer.echo(f"bliss-harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and end."),
    ] = False,
    no_plugin: Annotated[
        list[str] | None,
        typer.Option("--no-plugin", metavar="DISTRIBUTION", help="Leave out a plugin distribution (repeatable)."),
    ] = None,
    no_plugins: Annotated[
        bool, typer.Option("--no-plugins", help="Leave out all third-party plugins (also: HARNESS_PLUGINS='').")
    ] = False,
) -> None:
    if no_plugin or no_plugins:
        from harness.registry import Registry, use

        use(Registry(allow=() if no_plugins else None, block=no_plugin or ()))


@app.command()
def run(
    suite: SuiteFile,
    overrides: Overrides = None,
    arm: Arms = None,
    dataset: Datasets = None,
    seed: Seeds = None,
    limit: Limit = None,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where run folders go.")] = DEFAULT_OUTPUT,
    store: StorePlace = str(DEFAULT_STORE),
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            metavar="N",
            envvar="HARNESS_JOBS",
            help="Stages to compute at a time, in processes; by default one for each GPU, or for each core.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(metavar="N", help="Threads that a stage computes with.")] = 1,
    engine: Annotated[
        str | None, typer.Option(metavar="NAME", help="What computes: local, processes, ray, or one of a plugin.")
    ] = None,
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Where the cluster of the engine is (ray).")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compute nothing: stages by resource, critical path, hours.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print the leaderboard only.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what goes to log.txt, as it comes.")] = False,
) -> None:
    """Run a suite; a second run goes on where the first one ended."""
    from harness.commands.common import Selection
    from harness.commands.run import run_suite

    selection = Selection(suite, overrides or (), arm, dataset, seed, limit)
    if dry_run:
        from harness.commands.forecast import show_forecast

        show_forecast(selection, store=store, engine=engine)
        return
    run_suite(
        selection,
        output=output,
        store=store,
        jobs=jobs,
        threads=threads,
        engine=engine,
        address=address,
        quiet=quiet,
        verbose=verbose,
    )


@app.command()
def audit(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Labelled texts: CSV, TSV, JSON lines, Parquet, or class folders.")
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL", help="The classifier: a folder, hub name, ./serve.py:function, pipeline.joblib or URL."
        ),
    ] = None,
    predictions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its predictions instead, by id or text; nothing is attacked then."),
    ] = None,
    text: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the text.")] = "text",
    text_pair: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of the second text of a pair.")
    ] = None,
    label: Annotated[str, typer.Option(metavar="COLUMN", help="Column of the label.")] = "label",
    group: Annotated[
        list[str] | None, typer.Option("--group", metavar="COLUMN", help="Give figures by this column (repeatable).")
    ] = None,
    labels: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A class, in the order of their indices (repeatable).")
    ] = None,
    outputs: Annotated[
        list[str] | None, typer.Option("--output-label", metavar="NAME", help="An output of the classifier, in order.")
    ] = None,
    logits: Annotated[bool, typer.Option("--logits", help="The classifier gives logits, not probabilities.")] = False,
    attack: Annotated[str, typer.Option(metavar="NAME", help="Attack; an empty name for none.")] = "deepwordbug",
    attacked: Annotated[int, typer.Option(metavar="N", min=1, help="Examples that are attacked, drawn by seed.")] = 500,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Decides which are attacked.")] = 0,
    trust_pickle: Annotated[
        bool, typer.Option("--trust-pickle", help="Read a pickled pipeline, which runs the code in it.")
    ] = False,
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Encoding of the data, such as cp1252 or utf-16.")
    ] = "utf-8",
    separator: Annotated[
        str, typer.Option(metavar="CHAR", help="What separates the fields of the data, such as ; or tab.")
    ] = "auto",
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", metavar="COLUMN=VALUE", help="Take such rows only (repeatable)."),
    ] = None,
    drop_empty: Annotated[bool, typer.Option("--drop-empty", help="Leave out rows without text.")] = False,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where run folders go.")] = DEFAULT_OUTPUT,
    store: StorePlace = str(DEFAULT_STORE),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print what was found only.")] = False,
) -> None:
    """Audit a classifier that you have: where is it confident and wrong? Needs no suite."""
    from harness.commands.audit import Audit, run_audit

    asked = Audit(
        data,
        model,
        predictions,
        text,
        text_pair,
        label,
        tuple(labels or ()),
        tuple(outputs or ()),
        logits,
        attack,
        attacked,
        trust_pickle,
        seed,
        tuple(group or ()),
        encoding,
        separator,
        tuple(filters or ()),
        drop_empty,
    )
    run_audit(asked, output=output, store=store, quiet=quiet)


@app.command()
def plan(
    suite: SuiteFile,
    overrides: Overrides = None,
    arm: Arms = None,
    dataset: Datasets = None,
    seed: Seeds = None,
    limit: Limit = None,
    store: StorePlace = str(DEFAULT_STORE),
    as_json: AsJson = False,
) -> None:
    """Show what `run` would compute, and what it would ask of language models; nothing is computed."""
    from harness.commands.common import Selection
    from harness.commands.plan import show_plan

    show_plan(Selection(suite, overrides or (), arm, dataset, seed, limit), store=store, as_json=as_json)


@app.command()
def validate(suite: SuiteFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check a suite: every key, name and option of every component."""
    from harness.statistics.digits import plural
    from harness.suite import SuiteError, load_suite

    if as_json:
        import json

        problems: list[dict[str, str]] = []
        try:
            load_suite(suite, overrides=overrides or ())
        except SuiteError as error:
            problems = [
                {"where": str(one.place), "key": ".".join(map(str, one.path)), "message": one.message}
                for one in error.problems
            ]
        typer.echo(json.dumps({"suite": str(suite), "valid": not problems, "problems": problems}, indent=2))
        raise typer.Exit(2 if problems else 0)
    checked = load_suite(suite, overrides=overrides or ())
    sizes = [(len(checked.datasets), "data set"), (len(checked.arms), "arm"), (len(checked.seeds), "seed")]
    typer.echo(f"{suite}: valid. {', '.join(plural(number, noun) for number, noun in sizes)}.")


@app.command()
def plugins(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One component: its options in full.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="KIND", help="Only this kind of component.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the installed components, or describe one."""
    from harness.commands.plugins import describe_component, list_components

    if name is None:
        list_components(kind, as_json=as_json)
    else:
        describe_component(name, kind, as_json=as_json)


@app.command()
def fetch(
    suite: SuiteFile,
    overrides: Overrides = None,
    arm: Arms = None,
    dataset: Datasets = None,
) -> None:
    """Download what a suite names: data, checkpoints, encoders. For machines that compute without a network."""
    from harness.commands.common import Selection
    from harness.commands.fetch import fetch_suite

    fetch_suite(Selection(suite, overrides or (), arm, dataset))


@app.command()
def suites(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this one, to start from.")] = None,
) -> None:
    """List the suites that come with the harness, with what each needs and takes."""
    from harness.commands.suites import show_suites

    show_suites(name)


@app.command()
def schema(
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it here instead of printing it.")] = None,
) -> None:
    """Print the JSON Schema of suites, with the options of every installed component, for editors."""
    import json

    from harness.suite import json_schema

    text = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    if output is None:
        typer.echo(text)
    else:
        from harness.disk import explained

        with explained(output, elsewhere="Choose another place with --output."):
            output.write_text(text + "\n", encoding="utf-8")


@app.command()
def cache(
    store: StorePlace = str(DEFAULT_STORE),
    clear: Annotated[bool, typer.Option("--clear", help="Delete all artifacts (paid responses are kept).")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Check every artifact and delete the damaged ones.")] = False,
) -> None:
    """Show what the artifact store holds; delete or verify it."""
    from harness.commands.cache import show_cache

    show_cache(store, clear=clear, verify=verify)


@app.command("new-plugin")
def new_plugin_command(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="valuator, attack, generator, metric, ...", show_default=False)
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name in suites: my-method.", show_default=False)],
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the package's folder is made.")] = Path(),
) -> None:
    """Write a working plugin package: code, entry point, contract test."""
    from harness.disk import explained
    from harness.new_plugin import new_plugin

    with explained(folder, elsewhere="Choose another place with --folder."):
        made = new_plugin(kind, name, folder)
    typer.echo(f"Made {made}. Next:\n  pip install -e {made}\n  harness plugins {name}\n  pytest {made}")


@app.command()
def version() -> None:
    """Print the version."""
    from harness.version import __version__

    typer.echo(f"bliss-harness {__version__}")


def _mount_leaderboard() -> None:
    """``leaderboard`` and its like keep their options beside what they do; nothing heavy is imported with them."""
    from harness.commands.compare import compare
    from harness.commands.examples import examples
    from harness.commands.leaderboard import leaderboard_app
    from harness.commands.paper import paper
    from harness.commands.power import power
    from harness.commands.valuators import valuators

    app.add_typer(leaderboard_app, name="leaderboard")
    app.command()(compare)
    app.command()(examples)
    app.command()(power)
    app.command()(paper)
    app.command()(valuators)


_mount_leaderboard()


def main() -> None:
    """Run the command line: errors meant for people become one message and an exit code."""
    tolerate_encodings()
    output = sys.stdout
    try:
        try:
            app(prog_name="harness", standalone_mode=True)
        finally:
            if (
                sys.stdout is not output
            ):  # what the command line library does about a closed pipe, before it exits with 1
                raise BrokenPipeError
            if output is not None:
                output.flush()
    except HarnessError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:  # whoever reads has seen enough
        silence(output)
        sys.exit(0)
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        silence(output)
        print(f"error: The output cannot be written: {error.strerror}.", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
