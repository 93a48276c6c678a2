"""The openai generator against a real HTTP server on this machine, with and without faults."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from harness_generators.testing import ChatServer, Faults

import harness
from harness.components import Rejected, SyntheticExample, Usage
from harness.errors import InputError

KEY = "sk-test-0123456789abcdef"
EIGHT = 8


def make(server, **options):
    url = server if isinstance(server, str) else server.base_url
    return harness.component(
        "generator", "openai", **{"model": "stand-in", "base_url": url, "api_key_env": "", "timeout": 5, **options}
    )


def generate(server, uus, task, seed=0, **options):
    return list(make(server, **options).generate(uus, task, seed=seed))


def samples(found):
    return [item for item in found if isinstance(item, SyntheticExample)]


def reasons(found):
    return Counter(item.reason for item in found if isinstance(item, Rejected))


def total(found):
    return sum((item for item in found if isinstance(item, Usage)), Usage())


# -- what is asked, and what comes out


def test_two_steps_per_unknown_unknown_in_order(uus, make_task):
    with ChatServer(latency=0.02) as server:
        found = generate(server, uus, make_task(), max_concurrency=EIGHT)
    assert [(s.uu, s.role) for s in samples(found)] == [(i, r) for i in range(len(uus)) for r in ("exploit", "explore")]
    assert all(s.example.label == uus[s.uu].example.label and s.hypothesis for s in samples(found))
    bodies = [json.loads(call.body) for call in server.calls]
    assert all(body["response_format"]["json_schema"]["schema"]["required"][0] == "hypothesis" for body in bodies)
    first = next(s for s in samples(found) if s.role == "exploit")
    second = [b for b in bodies if first.hypothesis in b["messages"][1]["content"]]
    assert len(second) == 1
    assert uus[0].perturbed in second[0]["messages"][1]["content"]
    assert total(found).requests == 2 * len(uus)
    assert total(found).prompt_tokens == sum(sum(len(m["content"]) for m in b["messages"]) // 4 for b in bodies)


def test_the_result_does_not_depend_on_concurrency_nor_on_streaming(uus, make_task):
    with ChatServer(latency=0.01) as server:
        plain = generate(server, uus, make_task(), max_concurrency=1)
        wide = generate(server, uus, make_task(), max_concurrency=EIGHT)
    assert plain == wide
    with ChatServer() as server:
        streamed = generate(server, uus[:3], make_task(), stream=True)
        assert len(samples(streamed)) == 6
        assert total(streamed).completion_tokens > 0


def test_the_seed_is_sent_and_changes_the_answers(uus, make_task):
    with ChatServer() as server:
        one, two = (samples(generate(server, uus[:2], make_task(), seed=seed)) for seed in (1, 2))
        assert {s.example.text for s in one}.isdisjoint({s.example.text for s in two})
        quiet = generate(server, uus[:1], make_task(), send_seed=False, temperature=None, extra_body={"top_k": 5})
    assert samples(quiet)
    body = json.loads(server.calls[-1].body)
    assert "seed" not in body
    assert "temperature" not in body
    assert body["top_k"] == 5


def test_pairs_and_three_classes(pair_setting):
    task, uus = pair_setting
    with ChatServer() as server:
        found = samples(generate(server, uus, task))
    assert len(found) == 2
    assert all(s.example.text_pair and s.example.label == 0 for s in found)
    schema = json.loads(server.calls[0].body)["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == ["hypothesis", "label", "premise", "statement"]
    assert schema["properties"]["label"]["enum"] == ["entailed", "contradicted", "unrelated"]


@pytest.mark.parametrize(("per_uu", "roles"), [(1, ["exploit"]), (3, ["exploit", "explore", "explore"])])
def test_other_numbers_of_samples(uus, make_task, per_uu, roles):
    with ChatServer() as server:
        assert [s.role for s in samples(generate(server, uus[:1], make_task(per_uu=per_uu)))] == roles


def test_azure_form(uus, make_task, monkeypatch):
    monkeypatch.setenv("AZURE_KEY", KEY)
    with ChatServer(key=KEY) as server:
        generator = make(server.origin, api="azure", api_key_env="AZURE_KEY")
        generator.preflight()
        assert len(samples(list(generator.generate(uus[:1], make_task(), seed=0)))) == 2


@pytest.mark.parametrize("structured", [("json_schema", "json_object"), ("json_object",), ()])
def test_servers_without_structured_output_are_asked_in_the_form_they_take(uus, make_task, structured):
    with ChatServer(structured=structured) as server:
        assert len(samples(generate(server, uus[:2], make_task(), max_concurrency=1))) == 4
    refused = [call for call in server.calls if call.fault == "structured"]
    assert len(refused) == 2 - len(structured)


# -- faults


def test_passing_faults_cost_nothing_but_time(uus, make_task):
    script = ["429", "500", "cut", "malformed", "hollow", "drop", "503", "ok", "429", "500"]
    with ChatServer() as server:
        clean = samples(generate(server, uus, make_task()))
    with ChatServer(script) as server:
        faulty = samples(generate(server, uus, make_task(), max_concurrency=2))
    assert faulty == clean
    assert Counter(call.fault for call in server.calls if call.fault != "ok") == Counter(f for f in script if f != "ok")


def test_a_cut_stream_is_asked_for_again(uus, make_task):
    with ChatServer(["stream-cut", "cut"]) as server:
        found = generate(server, uus[:1], make_task(), stream=True)
    assert len(samples(found)) == 2
    assert [call.answered for call in server.calls] == [False, False, True, True]


def test_a_slow_answer_runs_into_the_timeout_and_is_asked_for_again(uus, make_task):
    with ChatServer(["slow"], slow_seconds=1.5) as server:
        found = generate(server, uus[:1], make_task(), timeout=0.5)
    assert len(samples(found)) == 2
    assert len(server.calls) >= 2


def test_retry_after_is_honoured_by_all_requests(uus, make_task):
    with ChatServer(["429"], retry_after=0.6) as server:
        generate(server, uus[:4], make_task(), max_concurrency=4)
    complaint = next(call for call in server.calls if call.fault == "429")
    assert min(call.at for call in server.calls if call.at > complaint.at + 0.1) >= complaint.at + 0.55


def test_the_pace_falls_when_the_server_is_crowded(uus, make_task):
    with ChatServer(max_running=2, latency=0.03, retry_after=0.05) as server:
        found = generate(server, uus, make_task(), max_concurrency=EIGHT)
    assert len(samples(found)) == 2 * len(uus)
    assert sum(call.fault == "429" for call in server.calls) < len(server.answered)


def test_no_more_requests_at_once_than_allowed(uus, make_task):
    with ChatServer(latency=0.05) as server:
        generate(server, uus, make_task(), max_concurrency=3)
    assert max(call.running for call in server.calls) == 3


def test_requests_per_minute(uus, make_task):
    with ChatServer() as server:
        generate(server, uus[:3], make_task(), requests_per_minute=600, max_concurrency=EIGHT)
    starts = sorted(call.at for call in server.calls)
    assert starts[-1] - starts[0] >= 0.1 * (len(starts) - 1) - 0.08


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("empty", "empty"), ("refusal", "refusal"), ("truncated", "truncated"), ("wrong-schema", "wrong schema")],
)
def test_unusable_answers_are_counted_and_asked_for_again(uus, make_task, fault, reason):
    with ChatServer([fault]) as server:
        found = generate(server, uus[:1], make_task())
    assert len(samples(found)) == 2
    assert reasons(found) == {reason: 1}
    seeds = [json.loads(call.body)["seed"] for call in server.calls]
    assert seeds[0] != seeds[1]
    with ChatServer([fault, fault]) as server:
        found = generate(server, uus[:1], make_task())
    kept_hypothesis = fault == "truncated"
    assert reasons(found) == ({reason: 2} if kept_hypothesis else {reason: 2, "no hypothesis": 1})


@pytest.mark.parametrize(
    ("fault", "kind"), [("broken-json", "malformed"), ("prose", "prose"), ("two", "several samples")]
)
def test_repairable_answers_are_repaired_and_marked(uus, make_task, fault, kind):
    with ChatServer() as server:
        clean = samples(generate(server, uus[:1], make_task()))
    with ChatServer([fault, "ok"]) as server:
        found = generate(server, uus[:1], make_task())
    first = samples(found)[0]
    assert first.example.tags == (f"repaired:{kind}",)
    assert (first.example.text, first.hypothesis) == (clean[0].example.text, clean[0].hypothesis)
    assert not reasons(found)


def test_texts_that_came_before_are_rejected(uus, make_task):
    fixed = {"hypothesis": "It leans on single words.", "review": "Quite another film entirely.", "label": "negative"}
    negative = [uu for uu in uus if uu.example.label == 0][:2]
    with ChatServer(author=lambda body: fixed) as server:
        found = generate(server, negative, make_task())
    assert len(samples(found)) == 1
    assert reasons(found) == {"duplicate": 3}


# -- budgets, cache


@pytest.mark.parametrize("concurrency", [1, EIGHT])
def test_a_budget_of_requests_stops_at_the_same_place_whatever_the_timing(uus, make_task, concurrency):
    with ChatServer(latency=0.01) as server:
        found = generate(server, uus, make_task(), max_requests=11, max_concurrency=concurrency)
    # Each may take up to four requests (two steps, one repetition) and takes two.
    assert [s.uu for s in samples(found)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert reasons(found) == {"budget exhausted": len(uus) - 4}
    assert len(server.calls) == 8


def test_budgets_of_tokens_and_money(uus, make_task):
    with ChatServer() as server:
        tokens = generate(server, uus, make_task(), max_total_tokens=8000, max_tokens=200)
        money = generate(
            server, uus, make_task(), max_cost=0.02, price_prompt=2.0, price_completion=6.0, max_tokens=200
        )
    assert 0 < total(tokens).prompt_tokens + total(tokens).completion_tokens <= 8000
    assert 0 < total(money).cost <= 0.02
    used = total(money)
    assert used.cost == pytest.approx((2.0 * used.prompt_tokens + 6.0 * used.completion_tokens) / 1e6)
    assert reasons(tokens)["budget exhausted"]
    assert reasons(money)["budget exhausted"]


def test_nothing_is_paid_twice(uus, make_task, tmp_path):
    task = make_task(cache=tmp_path)
    with ChatServer() as server:
        first = generate(server, uus[:3], task)
        again = generate(server, uus[:4], task)
    assert len(server.calls) == 8
    assert samples(again)[:6] == samples(first)
    assert (total(again).requests, total(again).cached) == (2, 6)


def test_an_early_stop_leaves_the_cache_whole(uus, make_task, tmp_path):
    with ChatServer(latency=0.02) as server:
        running = make(server, max_concurrency=2).generate(uus, make_task(cache=tmp_path), seed=0)
        assert any(isinstance(item, SyntheticExample) for item in (next(running), next(running)))
        running.close()
        before = len(server.answered)
        assert before < 2 * len(uus)
        generate(server, uus, make_task(cache=tmp_path), max_concurrency=2)
    assert len(server.answered) <= 2 * len(uus) + 2


def test_a_damaged_cache_file_is_asked_for_again(uus, make_task, tmp_path):
    task = make_task(cache=tmp_path)
    with ChatServer() as server:
        first = generate(server, uus[:1], task)
        files = sorted(tmp_path.rglob("*.json"))
        assert len(files) == 2
        files[0].write_text(files[0].read_text()[:50])
        again = generate(server, uus[:1], task)
    assert samples(again) == samples(first)
    assert len(server.calls) == 3


def swapped(text):
    """A stored answer with its price tampered with: its types are right, its digest is not."""
    stored = json.loads(text)
    stored["answer"]["prompt_tokens"] += 1
    return json.dumps(stored)


def changed(name, value):
    """A change of one field of a stored answer; without a digest, as older files have none."""

    def change(text):
        stored = json.loads(text)
        stored["answer"][name] = value
        del stored["sha256"]
        return json.dumps(stored)

    return change


DAMAGES = {
    "empty": lambda text: "",
    "null": lambda text: "null",
    "a list": lambda text: "[1, 2]",
    "deep": lambda text: "[" * 100_000,
    "digits": lambda text: "9" * 5_000,
    "bytes": lambda text: "\0\0\0",
    "another version": lambda text: text.replace('"version": 1', '"version": 99'),
    "another request": lambda text: text.replace('"temperature"', '"temporature"'),
    "tampered": swapped,
    "a text in parts": changed("text", [{"type": "text", "text": "x"}]),
    "null count": changed("prompt_tokens", None),
    "negative count": changed("completion_tokens", -1),
    "a field too many": changed("surprise", 1),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_cannot_be_trusted_in_the_cache_is_asked_again(uus, make_task, tmp_path, damage):
    task = make_task(cache=tmp_path)
    with ChatServer() as server:
        first = generate(server, uus[:1], task)
        file = min(tmp_path.rglob("*.json"))
        file.write_text(DAMAGES[damage](file.read_text()))
        again = generate(server, uus[:1], task)
        assert samples(again) == samples(first)
        assert len(server.calls) == 3
        assert generate(server, uus[:1], task)
        assert len(server.calls) == 3


def test_an_older_entry_without_a_digest_is_not_paid_again(uus, make_task, tmp_path):
    task = make_task(cache=tmp_path)
    with ChatServer() as server:
        first = generate(server, uus[:1], task)
        for file in tmp_path.rglob("*.json"):
            stored = json.loads(file.read_text())
            del stored["sha256"]
            file.write_text(json.dumps(stored))
        assert samples(generate(server, uus[:1], task)) == samples(first)
        assert len(server.calls) == 2


def test_a_provider_name_keeps_answers_when_the_server_moves(uus, make_task, tmp_path):
    task = make_task(cache=tmp_path)
    for expected in (4, 0):
        with ChatServer() as server:
            generate(server, uus[:2], task, provider="lab")
            assert len(server.calls) == expected
    one, two = (
        harness.component("generator", "openai", model="m", provider="lab", base_url=u)
        for u in ("http://a", "http://b")
    )
    assert one.identity() == two.identity()
    assert one.identity() != harness.component("generator", "openai", model="m", base_url="http://a").identity()


# -- batches


def test_batches_give_the_same_samples_one_batch_per_step(uus, make_task, tmp_path):
    with ChatServer() as server:
        plain = samples(generate(server, uus, make_task()))
    with ChatServer(batch_looks=2) as server:
        task = make_task(cache=tmp_path)
        batched = generate(server, uus, task, batch=True, batch_poll=0.01)
        assert len(server.batches) == 2
        assert samples(batched) == plain
        assert total(batched).requests == 2 * len(uus)
        assert samples(generate(server, uus, task, batch=True)) == plain
        assert len(server.batches) == 2


def test_a_batch_ordered_before_a_crash_is_collected_and_not_ordered_again(uus, make_task, tmp_path):
    with ChatServer(batch_looks=10**6) as server:
        task = make_task(cache=tmp_path)
        server.faults = Faults()
        running = make(server, batch=True, batch_poll=0.02).generate(uus[:2], task, seed=0)
        import threading

        stop = threading.Timer(1.0, lambda: setattr(server, "key", "now wrong"))
        stop.start()
        with pytest.raises(InputError):
            list(running)
        assert len(server.batches) == 1
        server.key, server.batch_looks = "", 0
        found = generate(server, uus[:2], task, batch=True, batch_poll=0.01)
        assert len(samples(found)) == 4
        assert len(server.batches) == 2  # the second is the second step's


def test_entries_of_a_batch_that_failed_in_passing_are_ordered_again(uus, make_task):
    with ChatServer(["500"], batch_looks=0) as server:
        found = generate(server, uus[:2], make_task(), batch=True, batch_poll=0.01)
        assert len(server.batches) == 3
        assert samples(found) == samples(generate(server, uus[:2], make_task()))
    assert not reasons(found)


@pytest.mark.parametrize("fault", ["half", "halves", "deep"])
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_no_text_is_asked_again_and_never_in_the_way(uus, make_task, tmp_path, fault, stream):
    task = make_task(per_uu=1, cache=tmp_path)
    with ChatServer([fault] * 2, latency=0.01) as server:
        found = generate(server, uus[:2], task, stream=stream, retry_invalid=1)
        again = generate(server, uus[:2], task, stream=stream, retry_invalid=1)
    assert reasons(found) == {"malformed" if fault == "deep" else "not text": 2}
    assert len(samples(found)) == 2
    assert total(again).requests == 0
    assert [s.example for s in samples(again)] == [s.example for s in samples(found)]
    for item in found:
        if isinstance(item, Rejected):
            assert item.text.encode()
