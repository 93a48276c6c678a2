"""``harness`` and ``python -m harness``: whatever happens, a person gets a message and not a traceback.

Nothing but the standard library is imported before :func:`main` runs, so that Ctrl-C is answered from the first moment.
"""

from __future__ import annotations

import signal
import sys

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and the number of the signal, as shells have it."""


class _CtrlC:
    """Remembers that Ctrl-C was pressed.

    The exception alone is not enough: an extension module that is being imported may turn it into an ``ImportError``, and the
    command line library into an exit code without a word.
    """

    def __init__(self) -> None:
        self.pressed = False
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # it is ignored in some background jobs
            signal.signal(signal.SIGINT, self)

    def __call__(self, number: int, frame: object) -> None:
        self.pressed = True
        raise KeyboardInterrupt


def main() -> None:
    """Run the command line, and end with 130 on Ctrl-C and with 1 on a fault of the harness itself."""
    ctrl_c = _CtrlC()
    try:
        from harness.cli import main as command_line

        command_line()
    except BaseException as error:
        if ctrl_c.pressed or isinstance(error, KeyboardInterrupt):
            print("\nInterrupted. Finished stages are kept: the same command goes on from here.", file=sys.stderr)
            sys.exit(INTERRUPTED)
        if isinstance(error, SystemExit):
            raise
        print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
        print(f"  This is a fault of the harness or of a plugin{_kept(error)}.", file=sys.stderr)
        sys.exit(1)


def _kept(error: BaseException) -> str:
    """Keep the traceback of a fault in a temporary file; where it is, if one can be written."""
    import tempfile
    import traceback

    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="harness-", suffix=".txt", delete=False, encoding="utf-8"
        ) as stream:
            traceback.print_exception(error, file=stream)
    except OSError:
        return ""
    return f"; its traceback is in {stream.name}"


if __name__ == "__main__":
    main()
