"""The openai generator with wrong keys, models, hosts and templates: one clear message each, and no key in any of them."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest
from harness_generators.testing import ChatServer, Faults

import harness
from harness.components import SyntheticExample, Usage
from harness.errors import ComponentError, HarnessError, InputError

KEY = "sk-test-0123456789abcdef"


def make(server, **options):
    url = server if isinstance(server, str) else server.base_url
    return harness.component(
        "generator", "openai", **{"model": "stand-in", "base_url": url, "api_key_env": "", "timeout": 5, **options}
    )


def generate(server, uus, task, **options):
    return list(make(server, **options).generate(uus, task, seed=0))


def samples(found):
    return [item for item in found if isinstance(item, SyntheticExample)]


def total(found):
    return sum((item for item in found if isinstance(item, Usage)), Usage())


def test_no_key(monkeypatch):
    monkeypatch.delenv("MY_KEY", raising=False)
    with pytest.raises(InputError, match="environment variable MY_KEY is not set"):
        make("http://127.0.0.1:9/v1", api_key_env="MY_KEY").preflight()


def test_a_wrong_key_shows_before_the_run_and_during_it_and_is_not_repeated(uus, make_task, monkeypatch, caplog):
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with ChatServer(key="another") as server:
        generator = make(server, api_key_env="MY_KEY")
        for action in (generator.preflight, lambda: list(generator.generate(uus, make_task(), seed=0))):
            with pytest.raises(InputError, match="refuses the key in MY_KEY") as caught:
                action()
            assert KEY not in str(caught.value)
            assert caught.value.__cause__ is None
    assert KEY not in caplog.text


def test_the_key_is_in_no_file_and_no_identity(uus, make_task, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with ChatServer(["500"], key=KEY, batch_looks=0) as server:
        generator = make(server, api_key_env="MY_KEY")
        found = list(generator.generate(uus[:1], make_task(cache=tmp_path), seed=0))
        list(make(server, api_key_env="MY_KEY", batch=True).generate(uus[1:2], make_task(cache=tmp_path), seed=0))
    assert len(samples(found)) == 2
    assert all(KEY not in path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY not in caplog.text + json.dumps(generator.identity()) + repr(generator) + repr(found)
    assert "MY_KEY" not in json.dumps(generator.identity())


@pytest.mark.parametrize(
    "options",
    [{"api_key_env": KEY}, {"base_url": f"https://me:{KEY}@host/v1"}, {"base_url": f"https://host/v1?key={KEY}"}],
)
def test_a_key_among_the_options_is_refused_without_showing_it(options):
    with pytest.raises(ComponentError) as caught:
        harness.component("generator", "openai", model="m", **options)
    assert KEY not in str(caught.value)
    assert "environment variable" in str(caught.value)


def test_an_unknown_model(uus, make_task):
    with ChatServer(models=["stand-in", "other"]) as server:
        with pytest.raises(InputError, match=r"does not know the model 'stand-on'\. Did you mean 'stand-in'"):
            make(server, model="stand-on").preflight()
        with pytest.raises(InputError, match="does not know the model"):
            generate(server, uus, make_task(), model="stand-on")


def test_an_unreachable_host(uus, make_task):
    with ChatServer() as server:
        gone = server.base_url
    with pytest.raises(InputError, match="cannot be reached"):
        make(gone).preflight()
    with pytest.raises(HarnessError, match="does not answer: connection failed"):
        generate(gone, uus, make_task(), max_tries=2)


def test_a_wrong_path(uus, make_task):
    with ChatServer() as server, pytest.raises(InputError, match="end in /v1"):
        generate(server.origin + "/v2", uus[:1], make_task())


def test_a_quota_used_up_keeps_what_was_paid_and_goes_on_later(uus, make_task, tmp_path):
    task = make_task(cache=tmp_path)
    with ChatServer(["ok"] * 5 + ["quota"], latency=0.02) as server:
        with pytest.raises(HarnessError, match="quota is used up"):
            generate(server, uus, task, max_concurrency=4)
        paid = len(server.answered)
        assert paid >= 5
        generate(server, uus, task)
        assert len(server.answered) == 2 * len(uus)


def test_a_server_that_dies_is_an_error_and_what_was_paid_stays(uus, make_task, tmp_path):
    with (
        ChatServer(Faults(["ok"] * 4, rate=1.0, kinds=["500"])) as server,
        pytest.raises(HarnessError, match="HTTP 500"),
    ):
        generate(server, uus, make_task(cache=tmp_path), max_tries=2, max_concurrency=2)
    assert len(list(tmp_path.rglob("*.json"))) == 4


def test_a_cache_that_cannot_be_written_is_one_message(uus, make_task, tmp_path):
    (tmp_path / "openai").write_text("a file where a folder should be")
    with ChatServer() as server, pytest.raises(HarnessError, match="cannot be written"):
        generate(server, uus, make_task(cache=tmp_path))


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ({"exploit": "Look at {{ orignal }}"}, "unknown variable 'orignal'. Did you mean 'original'?"),
        ({"explore": "{% if label %}"}, "is no Jinja template"),
        ({"system": "{{ task.nmae }}"}, "cannot be rendered"),
        ({"system": "{{ ''.__class__.__mro__ }}"}, "cannot be rendered"),
        ({"system": "missing.j2"}, "cannot be read from missing.j2"),
        ({"exploits": "x"}, "exploits"),
    ],
)
def test_bad_templates(prompts, message):
    with pytest.raises(ComponentError, match="(?s)" + message.replace("?", r"\?").replace("(", r"\(")):
        harness.component("generator", "openai", model="m", prompts=prompts)


def test_own_templates_are_used_and_versioned(uus, make_task, tmp_path):
    path = tmp_path / "explore.j2"
    path.write_text(
        "And if not {{ hypotheses[-1] }}? The classifier reads this correctly as {{ label }}:\n{{ original }}"
    )
    with ChatServer() as server:
        generator = make(server, prompts={"explore": str(path)})
        assert len(samples(list(generator.generate(uus[:1], make_task(), seed=0)))) == 2
    assert any("And if not" in call.body for call in server.calls)
    before = generator.identity()["prompts"]
    path.write_text("Changed. {{ label }}")
    assert generator.identity()["prompts"] != before


def test_the_estimate_is_an_upper_bound_of_what_is_used(uus, make_task):
    task = make_task()
    with ChatServer() as server:
        generator = make(server, price_prompt=1.0, price_completion=2.0)
        used = total(list(generator.generate(uus, task, seed=0)))
    mean = sum(len(uu.example.text) for uu in uus) / len(uus)
    bound = generator.estimate(len(uus), task.task, per_uu=2, mean_characters=mean)
    assert used.requests <= bound.requests
    assert used.prompt_tokens <= bound.prompt_tokens
    assert used.completion_tokens <= bound.completion_tokens
    assert 0 < used.cost <= bound.cost


@pytest.mark.parametrize("port", ["taken", "70000"])
def test_a_local_server_whose_port_cannot_be_used_says_so(port, monkeypatch, capsys):
    from harness_generators.testing.__main__ import main

    with ChatServer() as server:
        number = port if port != "taken" else server.origin.rpartition(":")[2]
        monkeypatch.setattr("sys.argv", ["testing", "--port", number])
        with pytest.raises(SystemExit) as caught:
            main()
    assert caught.value.code == 2
    assert f"port {number} cannot be used" in capsys.readouterr().err


def test_the_estimate_ends_at_the_budgets(make_task):
    def estimate(**options):
        generator = make("http://127.0.0.1:9/v1", price_prompt=1.0, price_completion=2.0, **options)
        return generator.estimate(100, make_task().task, per_uu=2, mean_characters=80)

    free = estimate()
    few = estimate(max_requests=free.requests // 10)
    assert few.requests == free.requests // 10
    assert few.cost == pytest.approx(free.cost / 10, rel=0.01)
    assert estimate(max_total_tokens=500).prompt_tokens == 500
    assert estimate(max_cost=0.01).cost == 0.01


def test_texts_that_look_like_templates_are_data(uus, make_task):
    odd = replace(uus[0], perturbed="{{ 7 * 7 }} {% raise %}")
    with ChatServer() as server:
        generate(server, [odd], make_task())
    assert "{{ 7 * 7 }}" in json.loads(server.calls[0].body)["messages"][1]["content"]
