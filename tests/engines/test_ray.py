"""Stages on a Ray cluster of three nodes on this machine: the same bytes, whatever is lost; mistakes are one message."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from harness.engines import Engine, LocalEngine
from harness.engines.ray import engine as ray_engine
from harness.engines.ray.cluster import connected, imported
from harness.engines.ray.code import differences, installed_code
from harness.engines.ray.engine import RayEngine
from harness.errors import InputError
from harness.observers.hooks import Observers
from harness.store.store import Store
from harness.testing import EngineContract
from harness.testing.engines import payloads
from harness.testing.sums import Fatal, Sum

pytestmark = pytest.mark.filterwarnings("ignore")  # of the library's own threads and sockets


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    if find_spec("ray") is None:
        pytest.skip("the package ray is not installed")
    ray = imported()  # first, so that the cluster asks for the token that drivers show
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    for _ in range(2):
        made.add_node(num_cpus=1)
    ray.init(address=made.address, log_to_driver=False, logging_level=logging.FATAL)
    yield made
    ray.shutdown()
    for node in (*made.worker_nodes, made.head_node):
        node.kill_all_processes(check_alive=False, allow_graceful=False)


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")
class TestRayEngine(EngineContract):
    slow_to_start = True

    def make(self, store: Store) -> Engine:
        return RayEngine(store)


@pytest.mark.slow
def test_a_worker_that_dies_costs_a_retry(cluster: Any, store: Store, tmp_path: Path, seen: Any) -> None:
    fragile = Sum("fragile", 1, fatal=Fatal(tmp_path / "deaths"))
    deadly = Sum("deadly", 2, fatal=Fatal(tmp_path / "more", 9))
    found = {
        item.target.title: item.error for item in RayEngine(store).compute([fragile, deadly], Observers([seen], print))
    }
    assert found["fragile"] is None
    assert "deadly: its worker ended, 2 times." in str(found["deadly"])
    assert not list((store.root / "building").iterdir())


@pytest.mark.slow
def test_a_node_that_is_lost_costs_a_retry_and_no_byte(cluster: Any, store: Store, tmp_path: Path, seen: Any) -> None:
    node = cluster.add_node(num_cpus=1)
    slow = [Sum(f"slow {n}", n, fatal=Fatal(tmp_path / "asleep", 4, -1)) for n in range(4)]
    top = Sum("top", 100, tuple(slow))

    def remove() -> None:
        end = time.monotonic() + 60
        asleep = tmp_path / "asleep"
        while time.monotonic() < end and (not asleep.exists() or len(list(asleep.iterdir())) < 4):
            time.sleep(0.1)
        cluster.remove_node(node, allow_graceful=False)
        for path in asleep.iterdir():  # those on the other nodes sleep no longer
            os.kill(int(path.name), signal.SIGKILL)

    thread = threading.Thread(target=remove)
    thread.start()
    assert [item.error for item in RayEngine(store).compute([top], Observers([seen], print))] == [None]
    thread.join()
    other = Store(tmp_path / "other")
    plain = Sum("top", 100, tuple(Sum(stage.title, stage.number) for stage in slow))
    assert [item.error for item in LocalEngine(other).compute([plain], Observers([], print))] == [None]
    assert payloads(store) == payloads(other)


DRIVER = """
import pickle, sys
from pathlib import Path
from harness.engines.ray.engine import RayEngine
from harness.observers.hooks import Observers

stages, store = pickle.loads(Path(sys.argv[1]).read_bytes())
for finished in RayEngine(store, address=sys.argv[2]).compute(stages, Observers([], print)):
    print(finished.target.title, finished.error, flush=True)
"""


def session(leader: int) -> set[int]:
    """Processes of a session that have not ended."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, of = path.read_text().rpartition(")")[2].split()[:4]
            if state != "Z" and int(of) == leader:
                found.add(int(path.parent.name))
    return found


def waited(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["local", "cluster"])
def test_an_interrupt_ends_the_tasks_and_a_cluster_of_our_own(
    cluster: Any, store: Store, tmp_path: Path, where: str
) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    slow = [Sum(f"slow {n}", n, fatal=Fatal(tmp_path / "asleep", 2, -1)) for n in range(2)]
    (tmp_path / "work").write_bytes(pickle.dumps(([Sum("first", 5), *slow], store)))
    address = "local" if where == "local" else cluster.address
    driver = subprocess.Popen(
        [sys.executable, tmp_path / "driver.py", tmp_path / "work", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - a background ignores it
    )
    asleep = tmp_path / "asleep"
    waited(lambda: asleep.exists() and len(list(asleep.iterdir())) == 2)
    busy = {int(path.name) for path in asleep.iterdir()}
    if where == "local":
        assert busy <= session(driver.pid)
    driver.send_signal(signal.SIGINT)
    out, _ = driver.communicate(timeout=60)
    assert out == "first None\n"
    waited(lambda: not session(driver.pid) and not any(Path(f"/proc/{pid}").exists() for pid in busy))
    assert not list((store.root / "building").iterdir())


@pytest.mark.slow
def test_workers_with_other_code_or_another_store_are_refused(
    cluster: Any, store: Store, seen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = installed_code() | {"torch": "1.0"}
    monkeypatch.setattr(ray_engine, "installed_code", lambda: other)
    with pytest.raises(InputError, match=r"other code than this process: torch: 1.0 here, \S+ there") as error:
        list(RayEngine(store).compute([Sum("a", 1)], Observers([seen], print)))
    assert error.value.exit_code == 2
    monkeypatch.undo()

    class Private(Store):
        """A store that others see elsewhere."""

        def __reduce__(self) -> Any:
            return (Store, (self.root / "elsewhere",))

    with pytest.raises(InputError, match="does not see the store") as error:
        list(RayEngine(Private(store.root)).compute([Sum("a", 1)], Observers([seen], print)))
    assert error.value.exit_code == 2
    assert not list((store.root / "marks").iterdir())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "Nothing listens at 127.0.0.1:1"),
        ("somewhere", "'somewhere' is no address of a Ray cluster; expected HOST:PORT"),
        ("ray://127.0.0.1:10001", "address of a Ray client"),
    ],
)
def test_an_address_where_no_cluster_is(address: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        is_initialized = staticmethod(lambda: False)

    monkeypatch.setattr("harness.engines.ray.cluster.imported", Library)
    with pytest.raises(InputError, match=said) as error, connected(address):
        pass
    assert error.value.exit_code == 2


def test_what_differs_between_two_machines_is_named() -> None:
    here = installed_code()
    assert here["bliss-harness"].startswith("0.")
    assert "code" in here["bliss-harness-valuators"]
    assert differences(here, here) == []
    assert differences({"a": "1", "b": "2"}, {"a": "1", "b": "3"}) == ["b: 2 here, 3 there"]
    assert differences({}, {"c": "1"}) == ["c: missing here, 1 there"]
