"""Asking a server for its models before a run starts, and for no more than it can tell."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import openai

from harness.errors import InputError, did_you_mean
from harness_generators.background import run_in_thread
from harness_generators.openai_client import broken_connection, make_client, problem_of, raise_for_all, refuse_key
from harness_generators.openai_errors import Problem, scrub

if TYPE_CHECKING:
    from harness_generators.openai_server import Server

_log = logging.getLogger(__name__)


def probe(options: Server, key: str) -> None:
    """Ask the server for its models.

    Where it does not list them, or not this one, it is asked about this one, with a request without messages, which nobody
    answers nor bills; what that does not settle is a warning.

    Raises:
        InputError: It cannot be reached, refuses the key, or does not know the model.
    """

    async def ask() -> tuple[list[str], Problem | None, Problem | None]:
        """The models listed, why there is no list, and what the server says about the model."""
        known, unlisted = [], None
        async with make_client(options, key).with_options(timeout=min(20.0, options.timeout)) as client:
            try:
                known = [str(model.id) async for model in client.models.list()]
            except openai.APIStatusError as error:
                unlisted = problem_of(error)
            except (openai.APIConnectionError, openai.APITimeoutError):
                raise
            except (openai.APIError, ValueError, AttributeError, TypeError):
                unlisted = Problem(200, "it sends something else than a list of models")
            # Azure lists models, but requests name deployments.
            if options.api == "azure" or _plain(options.model) in map(_plain, known):
                return known, unlisted, None
            for about in (
                lambda: client.models.retrieve(options.model),
                lambda: client.chat.completions.create(model=options.model, messages=[]),
            ):
                try:
                    await about()
                except openai.APIStatusError as error:
                    if (said := problem_of(error)).meaning in ("key", "model", "proxy", "quota"):
                        return known, unlisted, said
                except (openai.APIError, ValueError, AttributeError, TypeError):
                    continue
            return known, unlisted, None

    try:
        known, unlisted, said = run_in_thread(ask)
    except openai.APIConnectionError as error:
        raise InputError(
            f"The server of {options.called[0].lower()}{options.called[1:]} cannot be reached: {options.base_url}"
            f" ({scrub(broken_connection(options.base_url, error), key)}).",
            hint="Check base_url and that the server runs; probe: false skips this check.",
        ) from None
    if said is not None and said.meaning == "model":
        raise InputError(
            f"{options.base_url} does not know the model {options.model!r}."
            f" {did_you_mean(options.model, known) if known else scrub(said.message, key)}"
        )
    for problem in (said, unlisted):
        if problem is not None and problem.meaning in ("proxy", "quota"):
            raise_for_all(options, problem, scrub(problem.message, key))
    if unlisted is not None and unlisted.status in (401, 403):
        message = scrub(unlisted.message, key)
        if unlisted.wrong_key or not key or (said is not None and said.meaning == "key"):
            refuse_key(options, message)
        _log.warning(
            "%s does not list its models (%s): whether it knows %r shows later.",
            options.base_url,
            message,
            options.model,
        )
    elif unlisted is not None and unlisted.status == 200:
        _log.warning("%s does not list its models: %s.", options.base_url, unlisted.message)
    elif known and options.api == "openai" and _plain(options.model) not in map(_plain, known):
        _log.warning(
            "%s does not list the model %r. %s", options.base_url, options.model, did_you_mean(options.model, known)
        )


def _plain(name: str) -> str:
    """A model's name without what some servers put around it (Gemini ``models/``, Ollama ``:latest``)."""
    return name.removeprefix("models/").removesuffix(":latest")
