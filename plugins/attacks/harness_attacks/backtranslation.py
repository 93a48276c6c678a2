"""Paraphrases by translating there and back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import Field, model_validator

from harness.components import AttackResult, Classifier, Example
from harness.errors import InputError
from harness_attacks.single import VariantAttack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from harness.types import Texts
    from harness_attacks.trial import Trial


class BackTranslation(VariantAttack):
    """Translates into another language and back, and asks about the paraphrases.

    Any two sequence-to-sequence models of the transformers library can be used. Translation is by beam search, so the same
    models give the same paraphrases.

    Source: Sennrich, Haddow and Birch 2016, "Improving Neural Machine Translation Models with Monolingual Data".
    """

    api_version: ClassVar[int] = 1
    neutral: ClassVar[frozenset[str]] = frozenset({"in_flight", "device"})

    there: str = "Helsinki-NLP/opus-mt-en-de"
    """Model into the other language: a folder or a hub name."""

    back: str = "Helsinki-NLP/opus-mt-de-en"
    """Model back into the language of the data."""

    beams: int = Field(default=4, ge=1)
    """Width of the beam search."""

    paraphrases: int = Field(default=2, ge=1)
    """Paraphrases per text, at most ``beams``; each is a query."""

    max_new_tokens: int = Field(default=256, ge=1)
    """Length of a translation at most."""

    device: str = "cpu"
    """Where the translation models run: ``cpu``, ``cuda``."""

    @model_validator(mode="after")
    def _check_beams(self) -> Self:
        if self.paraphrases > self.beams:
            raise ValueError(f"{self.paraphrases} paraphrases need at least as many beams, not {self.beams}")
        return self

    def preflight(self) -> None:
        """Check that both models are there, or that they may be downloaded.

        Raises:
            harness.errors.InputError: A model is neither a folder nor in the cache, and the hub is switched off.
        """
        from huggingface_hub import constants, try_to_load_from_cache

        for name in (self.there, self.back):
            here = Path(name).is_dir() or isinstance(try_to_load_from_cache(name, "config.json"), str)
            if not here and constants.HF_HUB_OFFLINE:
                raise InputError(
                    f"The translation model {name!r} is neither a folder nor in the cache, and HF_HUB_OFFLINE is set.",
                    hint="Unset HF_HUB_OFFLINE for the first run, or give folders as `there` and `back`.",
                )

    def fetch(self) -> str:
        """Download both models; see :meth:`harness.components.base.Component.fetch`."""
        self.preflight()
        for name in (self.there, self.back):
            _translator(name, self.device)
        return f"{self.there} and {self.back}"

    def attack_each(
        self, victim: Classifier, examples: Sequence[Example], *, seeds: Sequence[int]
    ) -> Iterator[AttackResult]:
        """See :meth:`harness.components.Attack.attack_each`.

        Raises:
            harness.errors.InputError: A translation model is not to be had here.
        """
        for name in (self.there, self.back):
            _translator(name, self.device)
        return super().attack_each(victim, examples, seeds=seeds)

    def variants(self, trial: Trial) -> Iterable[Texts]:
        """The paraphrases; of a pair, one text is paraphrased at a time."""
        texts = trial.example.texts
        if isinstance(texts, str):
            yield from self._paraphrased(texts)
            return
        if self.columns != "second":
            yield from ((paraphrase, texts[1]) for paraphrase in self._paraphrased(texts[0]))
        if self.columns != "first":
            yield from ((texts[0], paraphrase) for paraphrase in self._paraphrased(texts[1]))

    def _paraphrased(self, text: str) -> Iterable[str]:
        if not text.strip():
            return []
        (foreign,) = _translator(self.there, self.device)([text], self.beams, 1, self.max_new_tokens)
        (found,) = _translator(self.back, self.device)(foreign, self.beams, self.paraphrases, self.max_new_tokens)
        return islice(dict.fromkeys(paraphrase for paraphrase in found if paraphrase.strip()), self.paraphrases)


@lru_cache(maxsize=4)
def _translator(name: str, device: str) -> Callable[[list[str], int, int, int], list[list[str]]]:
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(name, trust_remote_code=False)  # type: ignore[no-untyped-call]
        model: Any = AutoModelForSeq2SeqLM.from_pretrained(name, trust_remote_code=False).to(device).eval()
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        first = (str(error).strip() or "no message").splitlines()[0]
        raise InputError(
            f"The translation model {name!r} cannot be loaded: {first}",
            hint="Give a folder, or a sequence-to-sequence model of the hub while online; Marian models need `sentencepiece`.",
        ) from error

    def translate(texts: list[str], beams: int, count: int, length: int) -> list[list[str]]:
        inputs = tokenizer(texts, return_tensors="pt", padding=True, truncation=True).to(device)
        with torch.inference_mode():
            ids = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                num_beams=beams,
                num_return_sequences=count,
                max_new_tokens=length,
                do_sample=False,
            )
        decoded: list[str] = tokenizer.batch_decode(ids, skip_special_tokens=True)
        return [decoded[k : k + count] for k in range(0, len(decoded), count)]

    return translate
