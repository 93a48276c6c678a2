"""Implementation of :class:`harness_generators.transformers_lm.TransformersLM`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DynamicCache,
    StoppingCriteria,
    StoppingCriteriaList,
)

from harness.components import GenerationTask, Rejected, SyntheticExample, UnknownUnknown, Usage
from harness.errors import InputError
from harness.models.checkpoints import refuse_code
from harness.progress import progress
from harness.quiet import quiet
from harness.seeds import derive_seed
from harness_generators.completion import STOP, Completions
from harness_generators.dialogue import Dialogue, Made, Method, Question, without_repetitions
from harness_generators.replies import Reply

if TYPE_CHECKING:
    from torch import Tensor

    from harness_generators.transformers_lm import TransformersLM

RETRY_TEMPERATURE = 0.7
"""Least temperature at which a question is repeated."""
LEAST_PREFIX = 16
"""Tokens from which on a prefix that a batch shares is read once."""


def run(
    options: TransformersLM, uus: Sequence[UnknownUnknown], task: GenerationTask, seed: int
) -> Iterator[SyntheticExample | Rejected | Usage]:
    """See :meth:`harness_generators.transformers_lm.TransformersLM.generate`."""
    if not uus:
        return
    writer = Writer(options, options.weights().fetch(), seed)
    made = _completed(writer, uus, task, seed) if options.form == "completion" else _talked(writer, uus, task)
    yield from without_repetitions(iter(made))


def _talked(writer: Writer, uus: Sequence[UnknownUnknown], task: GenerationTask) -> list[list[Made]]:
    """The two-step method, all unknown unknowns together; what each of them came to."""
    options = writer.options
    method = Method(task.task, options.templates(), per_uu=task.per_uu, retries=options.retry_invalid)
    dialogues: dict[int, tuple[Dialogue, Question]] = {}
    for position, uu in enumerate(uus):
        dialogue = method.dialogue(position, uu)
        dialogues[position] = (dialogue, next(dialogue))
    finished: dict[int, list[Made]] = {}
    with progress("answers") as bar:
        while dialogues:
            asked = list(dialogues)
            for position, reply in zip(asked, writer.answers([dialogues[p][1] for p in asked]), strict=True):
                bar.advance()
                dialogue = dialogues[position][0]
                try:
                    dialogues[position] = (dialogue, dialogue.send(reply))
                except StopIteration as end:
                    del dialogues[position]
                    finished[position] = end.value
    return [finished[position] for position in range(len(uus))]


def _completed(writer: Writer, uus: Sequence[UnknownUnknown], task: GenerationTask, seed: int) -> list[list[Made]]:
    """Completions of open lines, all unknown unknowns together; what each of them came to, sample by sample."""
    options = writer.options
    room = None if writer.room is None else writer.room - options.max_new_tokens
    completions = Completions(task, demonstrations=options.demonstrations, room=room, seed=seed)
    asked = [(position, step) for position in range(len(uus)) for step in range(task.per_uu)]
    made: dict[tuple[int, int], list[Made]] = {place: [] for place in asked}
    with progress("samples") as bar:
        for attempt in range(1 + options.retry_invalid):
            again = []
            prompts = [completions.lines.prompt(uus[position]) for position, _ in asked]
            for place, reply in zip(asked, writer.complete(prompts, attempt), strict=True):
                bar.advance()
                sample = completions.made(place[0], uus[place[0]], reply)
                made[place] += [reply.usage, sample]
                if not isinstance(sample, SyntheticExample) and not reply.failure:
                    again.append(place)
            asked = again
    return [[one for step in range(task.per_uu) for one in made[position, step]] for position in range(len(uus))]


class Writer:
    """A language model with its tokenizer, answering questions in batches."""

    def __init__(self, options: TransformersLM, folder: Path, seed: int) -> None:
        self.options, self.seed, self.batches = options, seed, 0
        self.device = torch.device(options.device or ("cuda" if torch.cuda.is_available() else "cpu"))
        try:
            with quiet():
                trusted = {"trust_remote_code": options.trust_remote_code}
                config = AutoConfig.from_pretrained(folder, **trusted)
                self.decoder_only = not config.is_encoder_decoder
                kind = AutoModelForCausalLM if self.decoder_only else AutoModelForSeq2SeqLM
                model: Any = kind.from_pretrained(folder, dtype=getattr(torch, options.dtype), **trusted)
                self.tokenizer: Any = AutoTokenizer.from_pretrained(folder, **trusted)  # type: ignore[no-untyped-call]
                self.model = model.to(self.device).eval()
        except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
            if not options.trust_remote_code:
                refuse_code(folder, error)
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise InputError(f"The checkpoint {folder} cannot be used as a language model: {first}") from error
        self.tokenizer.padding_side = "left" if self.decoder_only else "right"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        room = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        self.room = room if room and room > 0 else None  # XLNet, whose positions are relative, says -1
        # Between a shared prefix and what follows there is padding, which is invisible only where positions are told and
        # attention does not count tokens back.
        told = {"past_key_values", "position_ids"} <= set(inspect.signature(self.model.forward).parameters)
        self.shares = self.decoder_only and told and "local" not in getattr(config, "attention_layers", ())

    def answers(self, questions: Sequence[Question]) -> list[Reply]:
        """Answer questions, in their order; first attempts and repetitions are sampled differently, so not in one batch."""
        prompts = [self._prompt(question) for question in questions]
        return self._replies(prompts, [question.attempt for question in questions])

    def complete(self, prompts: Sequence[str], attempt: int) -> list[Reply]:
        """Complete open lines, in their order. Nothing is appended to them."""
        tokens = [list(self.tokenizer(prompt)["input_ids"]) for prompt in prompts]
        end = self.tokenizer.eos_token_id
        tokens = [ids[:-1] if ids and ids[-1] == end else ids for ids in tokens]  # some tokenizers end every text
        return self._replies(tokens, [attempt] * len(prompts), stop=(*STOP, *self.options.stop))

    def _replies(
        self, prompts: Sequence[list[int]], attempts: Sequence[int], *, stop: tuple[str, ...] = ()
    ) -> list[Reply]:
        # What begins alike comes together, so that batches share a prefix, and then what is as long, so that few are padded.
        order = sorted(
            range(len(prompts)), key=lambda i: (attempts[i], prompts[i][:LEAST_PREFIX], len(prompts[i]), prompts[i], i)
        )
        replies: dict[int, Reply] = {}
        stop = stop or self.options.stop
        while order:
            attempt = attempts[order[0]]
            batch = [i for i in order[: self.options.batch_size] if attempts[i] == attempt]
            order = order[len(batch) :]
            replies.update(zip(batch, self._batch([prompts[i] for i in batch], attempt, stop), strict=True))
        return [replies[i] for i in range(len(prompts))]

    def _prompt(self, question: Question) -> list[int]:
        messages = [{"role": role, "content": content} for role, content in question.messages]
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self.tokenizer("\n\n".join(message["content"] for message in messages) + "\n\n")["input_ids"])

    def _batch(self, prompts: Sequence[list[int]], attempt: int, stop: tuple[str, ...]) -> list[Reply]:
        limit = self.options.max_new_tokens
        fits = [self.room is None or not self.decoder_only or len(ids) + limit <= self.room for ids in prompts]
        kept = [ids for ids, fit in zip(prompts, fits, strict=True) if fit]
        written = iter(self._write(kept, attempt, stop) if kept else [])
        return [next(written) if fit else Reply("", failure="request too long") for fit in fits]

    def _write(self, prompts: Sequence[list[int]], attempt: int, stop: tuple[str, ...]) -> list[Reply]:
        options = self.options
        temperature = options.temperature if attempt == 0 else max(options.temperature, RETRY_TEMPERATURE)
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if temperature:
            sampling = {"do_sample": True, "temperature": temperature, "top_p": options.top_p, "top_k": options.top_k}
            sampling |= {"min_p": options.min_p} if options.min_p else {}
        self.batches += 1
        devices = [self.device] if self.device.type == "cuda" else []
        with quiet(), torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(derive_seed(self.seed, "transformers-lm", self.batches))
            ids, mask, read = self._inputs(prompts)
            # A decoder of its own begins with a start token, which may be the token that pads.
            start = ids.shape[1] if self.decoder_only else 1
            stops = Stops(self.tokenizer, stop, start)
            out = self.model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=options.max_new_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
                stopping_criteria=StoppingCriteriaList([stops] if stop else []),
                **read,
                **sampling,
            )
        written = [row[start : stops.ends.get(i)] for i, row in enumerate(out.tolist())]
        return [self._reply(prompt, row, stop) for prompt, row in zip(prompts, written, strict=True)]

    def _inputs(self, prompts: Sequence[list[int]]) -> tuple[Tensor, Tensor, dict[str, Any]]:
        """Ids, mask, and what was read already: of a prefix that all prompts share, once for all of them."""
        shared = shared_prefix(prompts) if self.shares and len(prompts) > 1 else 0
        read = self._read(prompts[0][:shared], len(prompts)) if shared >= LEAST_PREFIX else None
        if read is None:
            padded = self.tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(self.device)
            return padded["input_ids"], padded["attention_mask"], {}
        longest = max(map(len, prompts))
        pad = self.tokenizer.pad_token_id
        gaps = [
            [0] * (longest - len(ids)) for ids in prompts
        ]  # between the prefix, which comes first for all, and the rest
        rows = [[*ids[:shared], *(pad for _ in gap), *ids[shared:]] for ids, gap in zip(prompts, gaps, strict=True)]
        seen = [[*([1] * shared), *gap, *([1] * (len(ids) - shared))] for ids, gap in zip(prompts, gaps, strict=True)]
        return torch.tensor(rows, device=self.device), torch.tensor(seen, device=self.device), {"past_key_values": read}

    def _read(self, prefix: list[int], rows: int) -> Any:
        """The state after a prefix, for every row; ``None``, and never asked for again, where it is none that can be copied."""
        inputs = torch.tensor([prefix], device=self.device)
        found = getattr(self.model.base_model(input_ids=inputs, use_cache=True), "past_key_values", None)
        if type(found) is not DynamicCache or any(getattr(layer, "is_sliding", False) for layer in found.layers):
            self.shares = False
            return None
        found.batch_repeat_interleave(rows)
        return found

    def _reply(self, prompt: Sequence[int], written: list[int], stop: tuple[str, ...]) -> Reply:
        ends = self.model.generation_config.eos_token_id
        stops = set(ends if isinstance(ends, list) else [ends])
        end = next((i for i, token in enumerate(written) if token in stops), None)
        kept = written if end is None else written[:end]
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        places = [place for one in stop if (place := text.find(one)) >= 0]
        if places:
            text = text[: min(places)]
        return Reply(text, truncated=end is None and not places, usage=Usage(0, 0, len(prompt), len(kept)))


class Stops(StoppingCriteria):
    """Ends a row when its answer, read as it will be read in the end, has one of some texts.

    The library's ``stop_strings`` begins to look within the prompt, refuses texts that no token of the vocabulary has, reads
    the whole vocabulary for every batch, and does not run with models such as T5 and Bloom (transformers 4.57).

    Attributes:
        ends: By row that was ended: the position after its last token.
    """

    def __init__(self, tokenizer: Any, stop: tuple[str, ...], start: int) -> None:
        self.tokenizer, self.stop, self.start = tokenizer, stop, start
        self.ends: dict[int, int] = {}

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """``(rows,)`` bool: which rows are done."""
        for i, text in enumerate(self.tokenizer.batch_decode(input_ids[:, self.start :], skip_special_tokens=True)):
            if i not in self.ends and any(one in text for one in self.stop):
                self.ends[i] = input_ids.shape[1]
        return torch.tensor([i in self.ends for i in range(len(input_ids))], device=input_ids.device)


def shared_prefix(prompts: Sequence[list[int]]) -> int:
    """Number of tokens that all prompts begin with, and have at least one more."""
    first, last = min(prompts), max(prompts)
    most = min(map(len, prompts)) - 1
    return next((i for i in range(most) if first[i] != last[i]), most)
