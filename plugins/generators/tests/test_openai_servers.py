"""The openai generator against what real servers do: shapes of answers, refusals, parameters, waiting, proxies."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from typing import get_args

import pytest
from harness_generators.cache import Answer
from harness_generators.openai_answers import Broken, answer_of
from harness_generators.openai_errors import ALIKE, Meaning, Problem
from harness_generators.testing import ChatServer, Faults
from harness_generators.testing.vendors import REFUSALS, SHAPES, Response
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.components import Rejected, SyntheticExample, Usage
from harness.errors import ComponentError, HarnessError, InputError

NO_ANSWER = {"reasoning-only": "truncated", "think-unclosed": "truncated"}
PASSING = {"null-choices", "no-choices"}
REFUSED = {
    "long-openai": ("request too long", "maximum context length"),
    "long-vllm": ("request too long", "is too large: 768"),
    "long-anthropic": ("request too long", "prompt is too long"),
    "long-llama": ("request too long", "available context size"),
    "long-google": ("request too long", "input token count"),
    "413": ("request too long", "413 Request Entity Too Large"),
    "filter-azure": ("refusal", "content management policy"),
    "filter-deepseek": ("refusal", "Content Exists Risk"),
    "filter-openrouter": ("refusal", "violence"),
    "403-proxy": ("request refused", "Attention Required! | Cloudflare"),
    "detail": ("request refused", "Unprocessable: odd characters in the text"),
    "detail-list": ("request refused", "body.messages.0: Input should be ASCII"),
    "plain": ("request refused", "Bad request: odd characters"),
}
FATAL = {
    "403-key": "refuses requests without a key .*permission",
    "400-key": "refuses requests without a key .*API key not valid",
    "402": "quota is used up .Insufficient Balance",
    "400-balance": "quota is used up .*credit balance is too low",
    "400-model": "does not know the model 'stand-in' .*decommissioned",
}


def make(server, **options):
    url = server if isinstance(server, str) else server.base_url
    return harness.component(
        "generator", "openai", **{"model": "stand-in", "base_url": url, "api_key_env": "", "timeout": 5, **options}
    )


def generate(server, uus, task, **options):
    return list(make(server, **options).generate(uus, task, seed=0))


def samples(found):
    return [item for item in found if isinstance(item, SyntheticExample)]


def texts(found):
    return [(s.example.texts, s.hypothesis) for s in samples(found)]


def reasons(found):
    return Counter(item.reason for item in found if isinstance(item, Rejected))


def total(found):
    return sum((item for item in found if isinstance(item, Usage)), Usage())


# -- answers


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", sorted(set(SHAPES) - set(NO_ANSWER) - PASSING))
def test_an_answer_of_any_shape_is_the_answer(uus, make_task, tmp_path, shape, stream):
    task = make_task(per_uu=1, cache=tmp_path)
    with ChatServer() as server:
        plain = generate(server, uus[:1], make_task(per_uu=1), stream=stream)
    with ChatServer([shape]) as server:
        found = generate(server, uus[:1], task, stream=stream)
        again = generate(server, uus[:1], task, stream=stream)
    assert texts(found) == texts(plain)
    assert samples(again) == samples(found)
    assert len(server.calls) == 1
    assert not reasons(found)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("shape", sorted(NO_ANSWER))
def test_thoughts_are_no_answer(uus, make_task, shape, stream):
    with ChatServer([shape]) as server:
        found = generate(server, uus[:1], make_task(per_uu=1), stream=stream)
    assert reasons(found) == {NO_ANSWER[shape]: 1}
    assert len(samples(found)) == 1


@pytest.mark.parametrize("shape", [*sorted(PASSING), "200-error", "login", "malformed"])
def test_a_success_without_an_answer_is_asked_again_and_not_kept(uus, make_task, tmp_path, shape):
    with ChatServer([shape]) as server:
        found = generate(server, uus[:1], make_task(per_uu=1, cache=tmp_path))
    assert len(samples(found)) == 1
    assert len(server.calls) == 2
    assert len(list(tmp_path.rglob("*.json"))) == 1


def test_one_text_that_never_gets_an_answer_costs_one_sample(uus, make_task):
    with ChatServer(["null-choices"] * 2) as server:
        found = generate(server, uus, make_task(per_uu=1), max_tries=2, max_concurrency=1)
    assert reasons(found) == {"request failed": 1}
    assert len(samples(found)) == len(uus) - 1


def test_a_server_that_never_gives_an_answer_does_not_end_well(uus, make_task):
    with (
        ChatServer(Faults(rate=1.0, kinds=["no-choices"])) as server,
        pytest.raises(InputError, match="gives no answer: an answer without choices"),
    ):
        generate(server, uus[:2], make_task(per_uu=1), max_tries=2)


def test_a_page_to_log_in_is_named(uus, make_task):
    with ChatServer(["login"] * 9) as server, pytest.raises(HarnessError, match=r'an HTML page ."Sign in".'):
        generate(server, uus, make_task(), max_tries=2, max_concurrency=1)


@pytest.mark.parametrize("fault", ["no-usage", "null-usage"])
@pytest.mark.parametrize("stream", [False, True])
def test_budgets_bind_without_usage_and_it_is_said(uus, make_task, caplog, fault, stream):
    with ChatServer(Faults(rate=1.0, kinds=[fault])) as server:
        found = generate(server, uus, make_task(), max_total_tokens=8000, max_tokens=200, stream=stream)
    used = total(found)
    assert 0 < used.prompt_tokens + used.completion_tokens <= 8000
    assert reasons(found)["budget exhausted"]
    assert caplog.text.count("does not say how many tokens it used") == 1


def test_tokens_from_the_servers_cache_have_a_price_of_their_own(uus, make_task, tmp_path):
    prices = {"price_prompt": 2.0, "price_completion": 6.0, "price_cached": 0.5}
    task = make_task(per_uu=1, cache=tmp_path)
    with ChatServer(["cached-tokens"]) as server:
        found = generate(server, uus[:1], task, **prices)
        again = generate(server, uus[:1], task, **prices)
    used = total(found)
    half = used.prompt_tokens // 2
    paid = 2.0 * (used.prompt_tokens - half) + 0.5 * half + 6.0 * used.completion_tokens
    assert used.cost == pytest.approx(paid / 1e6)
    assert total(again).cost == used.cost
    with pytest.raises(ComponentError, match="price_cached needs price_prompt"):
        make("http://127.0.0.1:9/v1", price_cached=1.0)


FIELDS = (
    "choices",
    "message",
    "content",
    "text",
    "type",
    "finish_reason",
    "refusal",
    "tool_calls",
    "function",
    "arguments",
    "usage",
    "prompt_tokens",
    "completion_tokens",
    "prompt_tokens_details",
    "cached_tokens",
    "model",
    "error",
    "code",
    "param",
    "detail",
    "msg",
    "loc",
    "metadata",
    "raw",
    "reasons",
    "details",
    "reason",
    "retryDelay",
    "quotaId",
    "failed_generation",
)
BODIES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["x", "17s", "429", "text", "stop", "error"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
COMPLETIONS = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"message": BODIES, "finish_reason": BODIES}), max_size=2) | BODIES},
    optional={"usage": BODIES, "model": BODIES, "error": BODIES},
)


@given(BODIES | COMPLETIONS)
def test_whatever_a_server_sends_is_an_answer_that_can_be_kept_or_broken(body):
    with suppress(Broken):
        assert Answer(**asdict(answer_of(body)))


@given(st.sampled_from([200, 400, 403, 404, 422, 429, 500]), BODIES | st.text() | st.text().map("<html>{}".format))
def test_whatever_a_server_complains_of_has_a_meaning_and_words(status, body):
    problem = Problem.of(status, {}, body if isinstance(body, str) else json.dumps(body))
    assert problem.meaning in get_args(Meaning)
    assert 0 < len(problem.message) <= 600
    assert problem.wait >= 0
    assert problem.unwanted({"seed": 1, "response_format": {}}) in ("", "seed", "response_format")


# -- refusals


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_refused_request_costs_one_sample_and_is_said(uus, make_task, caplog, name, batch):
    kind, message = REFUSED[name]
    with ChatServer([name], batch_looks=0) as server:
        found = generate(server, uus[:3], make_task(per_uu=1), max_concurrency=1, batch=batch, batch_poll=0.01)
    assert reasons(found) == {kind: 1}
    assert [s.uu for s in samples(found)] == [1, 2]
    assert message in caplog.text


@pytest.mark.parametrize("name", ["long-vllm", "filter-deepseek", "detail-list", "403-proxy"])
def test_a_server_that_refuses_the_first_requests_alike_ends_the_run(uus, make_task, name):
    with ChatServer(Faults(rate=1.0, kinds=[name])) as server, pytest.raises(InputError) as caught:
        generate(server, uus, make_task(), max_concurrency=1)
    assert REFUSED[name][1] in str(caught.value)
    assert f"first {ALIKE} were refused alike ({REFUSED[name][0]})" in str(caught.value)
    assert len(server.calls) == ALIKE < len(uus)


def test_a_short_run_whose_requests_are_all_refused_does_not_end_well(uus, make_task):
    with ChatServer(["plain"] * 2) as server, pytest.raises(InputError, match="HTTP 400: Bad request: odd characters"):
        generate(server, uus[:2], make_task(per_uu=1))


def test_what_a_server_refused_to_pass_on_is_drawn_again(uus, make_task, tmp_path):
    with ChatServer(["json-groq"]) as server:
        found = generate(server, uus[:1], make_task(per_uu=1, cache=tmp_path))
    assert reasons(found) == {"malformed": 1}
    assert len(samples(found)) == 1
    assert len(list(tmp_path.rglob("*.json"))) == 1


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("name", sorted(FATAL))
def test_a_key_a_quota_or_a_model_at_fault_ends_the_run(uus, make_task, name, batch):
    with ChatServer(["ok", name], batch_looks=0) as server, pytest.raises(HarnessError, match=FATAL[name]):
        generate(server, uus, make_task(), max_concurrency=1, batch=batch, batch_poll=0.01)


def test_the_delay_that_google_puts_into_the_body_is_kept(uus, make_task):
    with ChatServer(["429-google"]) as server:
        found = generate(server, uus[:4], make_task(), max_concurrency=4)
    complaint = next(call for call in server.calls if call.fault == "429-google")
    assert min(call.at for call in server.calls if call.at > complaint.at + 0.1) >= complaint.at + 0.55
    assert len(samples(found)) == 8


def test_every_stand_in_is_in_a_test():
    assert set(REFUSALS) == {*REFUSED, *FATAL, "json-groq", "429-google", "200-error", "login"}


# -- parameters


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize(
    ("refused", "then"),
    [
        (["max_tokens"], {"max_completion_tokens": 768}),
        (["temperature"], {}),
        (["seed"], {}),
        (["temperature", "seed", "max_tokens"], {"max_completion_tokens": 768}),
        (["response_format"], {}),
    ],
)
def test_parameters_that_a_model_refuses_are_adapted_once_and_said(
    uus, make_task, caplog, tmp_path, refused, then, batch
):
    task = make_task(per_uu=1, cache=tmp_path)
    options = {"max_concurrency": 1, "batch": batch, "batch_poll": 0.01}
    with ChatServer(refuses=refused, batch_looks=0) as server:
        found = generate(server, uus[:3], task, **options)
    assert len(samples(found)) == 3
    last = json.loads(server.calls[-1].body)
    assert not set(refused) & set(last)
    assert then.items() <= last.items()
    steps = len(refused) + (refused == ["response_format"])  # by way of json_object
    failed = sum(call.fault == "parameter" for call in server.calls)
    assert failed == steps * (3 if batch else 1)
    assert caplog.text.count("from now on") == steps
    with ChatServer(refuses=refused) as other:  # the identity of a request is what the options ask for
        assert generate(other, uus[:3], task, provider="") is not None
        first = json.loads(next(iter(tmp_path.rglob("*.json"))).read_text())["request"]
    assert first["token_limit_field"] == "max_tokens"
    assert first["temperature"] == 0.7


def test_a_server_that_refuses_stream_options_streams_without_them(uus, make_task):
    with ChatServer(refuses=["stream_options"]) as server:
        assert len(samples(generate(server, uus[:1], make_task(), stream=True))) == 2


def test_a_parameter_of_ones_own_that_is_refused_is_said(uus, make_task):
    with ChatServer(refuses=["top_k"]) as server, pytest.raises(InputError, match="'top_k' is not supported"):
        generate(server, uus[:1], make_task(), extra_body={"top_k": 5})


# -- before the run


@pytest.mark.parametrize(("model", "listed"), [("gemini-x", "models/gemini-x"), ("llama", "llama:latest")])
def test_names_that_a_server_decorates_are_known(model, listed, caplog):
    with ChatServer(models=[listed]) as server:
        make(server, model=model).preflight()
    assert not caplog.text


@pytest.mark.parametrize(
    "response",
    [
        Response("a key that may not list", 403, json.dumps({"error": {"message": "Missing scopes: api.model.read"}})),
        Response("a gateway", 401, json.dumps({"detail": "Not for you"})),
        Response("a proxy", 200, "<html><title>Sign in</title></html>", "text/html"),
        Response("a fixed list", 200, json.dumps({"object": "list", "data": [{"id": "other", "object": "model"}]})),
    ],
)
def test_a_server_that_does_not_list_what_it_serves_is_a_warning(response, caplog, monkeypatch):
    monkeypatch.setenv("MY_KEY", "sk-test-0123456789abcdef")
    with ChatServer(lists=response) as server:
        make(server, api_key_env="MY_KEY").preflight()
    assert "does not list" in caplog.text


def test_a_model_that_is_not_listed_and_not_known_is_refused():
    fixed = Response("a fixed list", 200, json.dumps({"object": "list", "data": [{"id": "other", "object": "model"}]}))
    with ChatServer(lists=fixed) as server, pytest.raises(InputError, match="does not know the model 'stand-on'"):
        make(server, model="stand-on").preflight()


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ("socks5://me:secret@127.0.0.1:9", "through the proxy socks5://127.0.0.1:9 .ALL_PROXY."),
        ("http://me:secret@127.0.0.1:9", "through the proxy http://127.0.0.1:9 .ALL_PROXY."),
        ("gopher://127.0.0.1:9", "proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(uus, make_task, monkeypatch, proxy, message):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    generator = make("http://server.invalid/v1", max_tries=1)
    for action in (generator.preflight, lambda: list(generator.generate(uus[:1], make_task(), seed=0))):
        with pytest.raises(HarnessError, match=message) as caught:
            action()
        assert "secret" not in str(caught.value)


# -- batches


def order_and_die(server, uus, task, **options):
    """A run that ends when it has ordered its first batch."""

    def end():
        while not server.batches:
            time.sleep(0.01)
        server.key = "now wrong"

    threading.Thread(target=end, daemon=True).start()
    with pytest.raises(InputError):
        generate(server, uus, task, **options)
    server.key, server.batch_looks = "", 0


@pytest.mark.parametrize("end", ["expired", "cancelled", "empty"])
def test_what_a_batch_leaves_unanswered_is_ordered_again(uus, make_task, tmp_path, end, caplog):
    with ChatServer() as server:
        plain = samples(generate(server, uus, make_task()))
    with ChatServer(batch_ends=[end], batch_looks=0) as server:
        found = generate(server, uus, make_task(cache=tmp_path), batch=True, batch_poll=0.01)
        assert len(server.batches) == 3
        assert len(server.answered) == 2 * len(uus)
    assert samples(found) == plain
    assert "ordered again" in caplog.text


@pytest.mark.parametrize("cause", ["expired", "quota"])
def test_a_cause_that_would_pass_fails_the_stage_and_the_same_command_goes_on(uus, make_task, tmp_path, cause):
    task, options = make_task(cache=tmp_path), {"batch": True, "batch_poll": 0.01, "max_tries": 2}
    ends, script = (["expired", "empty"], []) if cause == "expired" else ([], ["ok"] * 6 + ["quota"] * 6)
    with ChatServer(script, batch_ends=ends, batch_looks=0) as server:
        with pytest.raises(HarnessError, match=r"left 6 of 12 requests|quota is used up"):
            generate(server, uus, task, **options)
        paid = len(server.answered)
        assert paid == 6
        found = generate(server, uus, task, **options)
        assert len(samples(found)) == 2 * len(uus)
        assert len(server.answered) == 2 * len(uus)


def test_a_batch_that_fails_as_a_whole_says_why(uus, make_task, tmp_path):
    task, options = make_task(cache=tmp_path), {"batch": True, "batch_poll": 0.01}
    with ChatServer(batch_ends=["failed"], batch_looks=0) as server:
        with pytest.raises(HarnessError, match="failed: Enqueued token limit reached"):
            generate(server, uus, task, **options)
        assert len(samples(generate(server, uus, task, **options))) == 2 * len(uus)


def test_a_noted_batch_that_the_server_does_not_know_is_said_and_ordered_anew_on_request(uus, make_task, tmp_path):
    task, options = make_task(cache=tmp_path), {"batch": True, "batch_poll": 0.01}
    with ChatServer(batch_looks=10**6) as server:
        order_and_die(server, uus[:2], task, **options)
        server.batches.clear()
        for _ in range(2):
            with pytest.raises(HarnessError, match=r"does not know the batch batch-0 .*404") as caught:
                generate(server, uus[:2], task, **options)
            assert "reorder: true" in str(caught.value)
        assert not server.batches
        assert len(samples(generate(server, uus[:2], task, reorder=True, **options))) == 4
        assert len(server.batches) == 2


def test_a_smaller_run_that_collects_a_batch_loses_nothing_of_a_larger_one(uus, make_task, tmp_path):
    task, options = make_task(per_uu=1, cache=tmp_path), {"batch": True, "batch_poll": 0.01}
    with ChatServer(batch_looks=10**6) as server:
        order_and_die(server, uus, task, **options)
        assert len(samples(generate(server, uus[:3], task, **options))) == 3
        assert len(samples(generate(server, uus, task, **options))) == len(uus)
        assert len(server.batches) == 1
        assert not list((tmp_path / "openai" / "batches").glob("*.json"))


@pytest.mark.parametrize("structured", [("json_object",), ()])
def test_a_refused_schema_is_downgraded_in_a_batch(uus, make_task, structured, caplog):
    caplog.set_level(logging.WARNING)
    with ChatServer(structured=structured, batch_looks=0) as server:
        found = generate(server, uus[:2], make_task(), batch=True, batch_poll=0.01)
    assert len(samples(found)) == 4
    assert caplog.text.count("from now on asked for") == 2 - len(structured)
