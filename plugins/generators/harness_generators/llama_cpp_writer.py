"""Implementation of :class:`harness_generators.llama_cpp.LlamaCpp`."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from harness.components import GenerationTask, Rejected, SyntheticExample, UnknownUnknown, Usage
from harness.components.texts import writable
from harness.errors import HarnessError, InputError
from harness.progress import progress
from harness.seeds import derive_seed
from harness_generators.cache import Answer, AnswerCache, request_key
from harness_generators.completion import STOP, Completions
from harness_generators.dialogue import Made, Method, without_repetitions
from harness_generators.open_lines import OpenLines
from harness_generators.prompts import schema_of
from harness_generators.replies import Reply

if TYPE_CHECKING:
    from harness_generators.llama_cpp import LlamaCpp

CANDIDATES = 50
"""Likeliest next tokens among which the names of the classes are looked for."""


class LanguageModel(Protocol):
    """What a language model is here: it answers requests in the shape of the OpenAI interface."""

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The response to a request: of a chat if it has ``messages``, else the completion of its ``prompt``."""


class LlamaServer:
    """llama.cpp in this process, one request at a time.

    The state after reading a prompt depends on what was read before it, in the last bits; so a prompt is read afresh, and
    only requests with the same prompt go on from there, each from the same state.
    """

    def __init__(self, path: Path, *, context: int, threads: int) -> None:
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.n_ctx, params.n_parallel, params.n_gpu_layers = context, 1, 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.warmup, params.verbosity, params.cache_ram_mib = False, -1, 0
        # Its own HTTP port, which nothing here uses, is for nobody else either.
        params.endpoint_slots, params.api_keys = False, [secrets.token_hex(16)]
        try:
            self._server = xllamacpp.Server(params)
        except RuntimeError as error:
            raise InputError(
                f"{path} cannot be loaded by llama.cpp.", hint="Is it a whole GGUF file of a text model?"
            ) from error
        self._read = ""

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """See :class:`LanguageModel`."""
        if "messages" in request:
            chat: Mapping[str, Any] = self._server.handle_chat_completions({**request, "cache_prompt": False})
            return chat
        if request["prompt"] != self._read:
            first = {"prompt": request["prompt"], "max_tokens": 1, "temperature": 0, "cache_prompt": False}
            refused: Mapping[str, Any] = self._server.handle_completions(first)
            if "error" in refused:
                return refused
            self._read = request["prompt"]
        found: Mapping[str, Any] = self._server.handle_completions({**request, "cache_prompt": True})
        return found


def load(options: LlamaCpp) -> LanguageModel:
    """The language model of the options."""
    return LlamaServer(options.weights().fetch(), context=options.context, threads=options.threads)


class Writer:
    """A language model whose answers are kept.

    Args:
        options: The generator's options.
        cache: Where answers are kept; ``None`` for nowhere.
        seed: Decides what is sampled.
    """

    def __init__(self, options: LlamaCpp, cache: Path | None, seed: int) -> None:
        self.options, self.seed = options, seed
        self._answers = AnswerCache(cache)
        self._model: LanguageModel | None = None
        self._weights = options.weights().digest()
        self.tokens = 0

    def complete(self, prompt: str, *path: int | str, stop: Sequence[str] = STOP, **more: Any) -> Reply:
        """Complete a prompt; ``path`` is the place of the sample, which decides its seed."""
        return self._ask({"prompt": prompt, "stop": list(stop), **self._sampling(*path), **more})

    def chat(self, messages: Sequence[tuple[str, str]], schema: Mapping[str, Any], *path: int | str) -> Reply:
        """Answer a conversation with JSON of a schema."""
        content = [{"role": role, "content": text} for role, text in messages]
        form = {"type": "json_schema", "json_schema": {"name": "sample", "schema": schema, "strict": True}}
        return self._ask({"messages": content, "response_format": form, **self._sampling(*path)})

    def likeliest(self, prompt: str) -> dict[str, float]:
        """Probabilities of the likeliest next tokens of a prompt, white space stripped."""
        answer = self._answer(
            {"prompt": prompt, "max_tokens": 1, "temperature": 0.0, "logprobs": CANDIDATES, "seed": 0}
        )
        import json

        found: dict[str, float] = {}
        for token, log_probability in json.loads(answer.logprobs or "[]"):
            word = str(token).strip()
            found[word] = found.get(word, 0.0) + math.exp(min(0.0, float(log_probability)))
        return found

    def _sampling(self, *path: int | str) -> dict[str, Any]:
        options = self.options
        return {
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "min_p": options.min_p,
            "top_k": 0,
            "seed": derive_seed(self.seed, "llama-cpp", *path) % 2**31,
        }

    def _ask(self, request: Mapping[str, Any]) -> Reply:
        answer = self._answer(request)
        if answer.finish == "too long":
            return Reply("", failure="request too long")
        usage = Usage(0, int(self._was_kept), answer.prompt_tokens, answer.completion_tokens)
        return Reply(answer.text, truncated=answer.finish == "length", usage=usage)

    def _answer(self, request: Mapping[str, Any]) -> Answer:
        known = {**request, "weights": self._weights, "context": self.options.context, "threads": self.options.threads}
        key = request_key(known)
        answer = self._answers.get(key)
        self._was_kept = answer is not None
        if answer is None:
            if self._model is None:
                self._model = load(self.options)
            answer = read_answer(self._model(request))
            self._answers.put(key, known, answer)
            self.tokens += answer.completion_tokens
        return answer


def read_answer(response: Mapping[str, Any]) -> Answer:
    """What llama.cpp answered.

    Raises:
        HarnessError: It answered with an error other than that the request is too long, or in another shape.
    """
    import json

    if (error := response.get("error")) is not None:
        if isinstance(error, Mapping) and error.get("type") == "exceed_context_size_error":
            return Answer("", "too long")
        words = error.get("message", error) if isinstance(error, Mapping) else error
        raise HarnessError(f"llama.cpp refused a request: {words}")
    try:
        choice, usage = response["choices"][0], response.get("usage") or {}
        text = choice["text"] if "text" in choice else (choice["message"].get("content") or "")
        content = ((choice.get("logprobs") or {}).get("content") or [{}])[0].get("top_logprobs") or []
        found = [[str(entry["token"]), float(entry["logprob"])] for entry in content]
        return Answer(
            str(text),
            str(choice.get("finish_reason") or "stop"),
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            logprobs=json.dumps(found) if found else "",
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise HarnessError(f"llama.cpp answered in an unknown shape: {str(response)[:200]}") from error


def run(
    options: LlamaCpp, uus: Sequence[UnknownUnknown], task: GenerationTask, seed: int
) -> Iterator[SyntheticExample | Rejected | Usage]:
    """See :meth:`harness_generators.llama_cpp.LlamaCpp.generate`."""
    if uus:
        writer = Writer(options, task.cache, seed)
        write = (
            _lines(options, writer, task, seed) if options.form == "completion" else _dialogues(options, writer, task)
        )
        yield from without_repetitions(_each(uus, write, writer))


class _Write(Protocol):
    def __call__(self, position: int, uu: UnknownUnknown) -> list[Made]: ...


def _each(uus: Sequence[UnknownUnknown], write: _Write, writer: Writer) -> Iterator[list[Made]]:
    with progress("tokens") as bar:  # displays show the rate; how many samples there are is the stage's own count
        for position, uu in enumerate(uus):
            before = writer.tokens
            made = write(position, uu)
            bar.advance(writer.tokens - before)
            yield made


def _dialogues(options: LlamaCpp, writer: Writer, task: GenerationTask) -> _Write:
    """The two-step method, one conversation after the other."""
    method = Method(task.task, options.templates(), per_uu=task.per_uu, retries=options.retry_invalid)
    schema = schema_of(task.task)

    def write(position: int, uu: UnknownUnknown) -> list[Made]:
        dialogue = method.dialogue(position, uu)
        question, turn = next(dialogue), 0
        while True:
            try:
                question = dialogue.send(writer.chat(question.messages, schema, position, turn))
            except StopIteration as end:
                made: list[Made] = end.value
                return made
            turn += 1

    return write


def _lines(options: LlamaCpp, writer: Writer, task: GenerationTask, seed: int) -> _Write:
    """Completions of an open line."""

    def believed(lines: OpenLines, texts: tuple[str, ...], uu: UnknownUnknown) -> bool:
        likely = writer.likeliest(lines.labelling(texts))
        # A name is known by its first token: the longest beginning of it among the likeliest tokens.
        begun = [[p for word, p in likely.items() if word and name.startswith(word)] for name in task.task.labels]
        shares = [max(found, default=0.0) for found in begun]
        total = sum(shares)
        return total > 0 and shares[uu.example.label] / total >= options.least_label_probability

    completions = Completions(
        task,
        demonstrations=options.demonstrations,
        room=options.context - options.max_tokens,
        seed=seed,
        believed=believed if options.least_label_probability else None,
    )

    def write(position: int, uu: UnknownUnknown) -> list[Made]:
        made: list[Made] = []
        hypothesis = ""
        if options.hypothesis:
            reply = writer.complete(completions.lines.why(uu), position, "why", stop=("\n", ". "))
            made.append(reply.usage)
            hypothesis = " ".join(writable(reply.text).split())
        prompt = completions.lines.prompt(uu)
        for step in range(task.per_uu):
            for attempt in range(1 + options.retry_invalid):
                reply = writer.complete(prompt, position, step, attempt)
                sample = completions.made(position, uu, reply, hypothesis)
                made += [reply.usage, sample]
                if isinstance(sample, SyntheticExample) or reply.failure:
                    break
        return made

    return write
