"""Implementation of :class:`harness_generators.transformers_lm.TransformersLM`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

from harness.components import GenerationTask, Rejected, SyntheticExample, UnknownUnknown, Usage
from harness.errors import InputError
from harness.models.checkpoints import refuse_code
from harness.progress import progress
from harness.quiet import quiet
from harness.seeds import derive_seed
from harness_generators.dialogue import Dialogue, Made, Method, Question, without_repetitions
from harness_generators.replies import Reply

if TYPE_CHECKING:
    from harness_generators.transformers_lm import TransformersLM

RETRY_TEMPERATURE = 0.7
"""Least temperature at which a question is repeated."""


def run(
    options: TransformersLM, uus: Sequence[UnknownUnknown], task: GenerationTask, seed: int
) -> Iterator[SyntheticExample | Rejected | Usage]:
    """See :meth:`harness_generators.transformers_lm.TransformersLM.generate`."""
    if not uus:
        return
    method = Method(task.task, options.templates(), per_uu=task.per_uu, retries=options.retry_invalid)
    writer = Writer(options, options.weights().fetch(), seed)
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
    yield from without_repetitions(finished[position] for position in range(len(uus)))


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

    def answers(self, questions: Sequence[Question]) -> list[Reply]:
        """Answer questions, in their order; first attempts and repetitions are sampled differently, so not in one batch."""
        prompts = [self._prompt(question) for question in questions]
        order = sorted(range(len(questions)), key=lambda i: (questions[i].attempt, len(prompts[i]), i))
        replies: dict[int, Reply] = {}
        while order:
            attempt = questions[order[0]].attempt
            batch = [i for i in order[: self.options.batch_size] if questions[i].attempt == attempt]
            order = order[len(batch) :]
            replies.update(zip(batch, self._batch([prompts[i] for i in batch], attempt), strict=True))
        return [replies[i] for i in range(len(questions))]

    def _prompt(self, question: Question) -> list[int]:
        messages = [{"role": role, "content": content} for role, content in question.messages]
        if self.tokenizer.chat_template:
            text = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self.tokenizer("\n\n".join(message["content"] for message in messages) + "\n\n")["input_ids"])

    def _batch(self, prompts: Sequence[list[int]], attempt: int) -> list[Reply]:
        limit = self.options.max_new_tokens
        fits = [self.room is None or not self.decoder_only or len(ids) + limit <= self.room for ids in prompts]
        kept = [ids for ids, fit in zip(prompts, fits, strict=True) if fit]
        written = iter(self._write(kept, attempt) if kept else [])
        return [next(written) if fit else Reply("", failure="request too long") for fit in fits]

    def _write(self, prompts: Sequence[list[int]], attempt: int) -> list[Reply]:
        padded = self.tokenizer.pad({"input_ids": list(prompts)}, return_tensors="pt").to(self.device)
        temperature = self.options.temperature if attempt == 0 else max(self.options.temperature, RETRY_TEMPERATURE)
        sampling: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if temperature:
            sampling = {"do_sample": True, "temperature": temperature, "top_p": 1.0, "top_k": 0}
        self.batches += 1
        devices = [self.device] if self.device.type == "cuda" else []
        with quiet(), torch.random.fork_rng(devices), torch.inference_mode():
            torch.manual_seed(derive_seed(self.seed, "transformers-lm", self.batches))
            out = self.model.generate(
                input_ids=padded["input_ids"],
                attention_mask=padded["attention_mask"],
                max_new_tokens=self.options.max_new_tokens,
                pad_token_id=self.tokenizer.pad_token_id,
                **sampling,
            )
        if self.decoder_only:
            out = out[:, padded["input_ids"].shape[1] :]
        return [self._reply(prompt, row) for prompt, row in zip(prompts, out.tolist(), strict=True)]

    def _reply(self, prompt: Sequence[int], written: list[int]) -> Reply:
        ends = self.model.generation_config.eos_token_id
        stops = set(ends if isinstance(ends, list) else [ends])
        # A decoder of its own begins with a start token, which may be the token that pads.
        body = written if self.decoder_only else written[1:]
        end = next((i for i, token in enumerate(body) if token in stops), None)
        kept = body if end is None else body[:end]
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        return Reply(text, truncated=end is None, usage=Usage(0, 0, len(prompt), len(kept)))
