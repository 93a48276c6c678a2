"""A local OpenAI-compatible server with scriptable faults, for trying and testing without an account.

>>> from harness_generators.testing import ChatServer
>>> with ChatServer(faults=["429", "cut", "ok"]) as server:
...     server.base_url.startswith("http://127.0.0.1:")
True

From the command line: ``python -m harness_generators.testing --help``.
"""

from harness_generators.testing.faults import FAULTS, Faults
from harness_generators.testing.server import Call, ChatServer

__all__ = ["FAULTS", "Call", "ChatServer", "Faults"]
