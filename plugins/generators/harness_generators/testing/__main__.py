"""Run the local server: ``python -m harness_generators.testing --port 8000 --fault-rate 0.2``."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from harness_generators.testing.faults import FAULTS, NETWORK, Faults
from harness_generators.testing.server import ChatServer


def main() -> None:
    """Parse the command line, serve until interrupted."""
    parser = argparse.ArgumentParser(
        prog="python -m harness_generators.testing",
        description="A local OpenAI-compatible server that writes random reviews, with faults.",
        epilog="Faults: " + "; ".join(f"{name}: {what}" for name, what in FAULTS.items()) + ".",
    )
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--model", default="stand-in", help="name of the model it knows")
    parser.add_argument("--key", default="", help="key that has to be presented")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds until an answer")
    parser.add_argument("--fault-rate", type=float, default=0.0, help="share of answers with a fault")
    parser.add_argument("--faults", nargs="+", default=list(NETWORK), choices=list(FAULTS), help="which faults occur")
    parser.add_argument("--seed", type=int, default=0, help="decides which answers have faults")
    parser.add_argument("--log", type=Path, help="file for one line of JSON per request")
    given = parser.parse_args()
    faults = Faults(rate=given.fault_rate, kinds=given.faults, seed=given.seed)
    try:
        server = ChatServer(
            faults, latency=given.latency, key=given.key, models=[given.model], port=given.port, log=given.log
        )
    except (OSError, OverflowError) as error:
        parser.error(f"port {given.port} cannot be used: {getattr(error, 'strerror', None) or error}")
    with server:
        print(f"Serving {given.model} at {server.base_url}; stop with Ctrl-C.", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
