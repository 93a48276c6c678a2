"""The four data sets of the thesis (table 3.1), from the hub or from a local folder."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from harness.components.dataset import DatasetSource
from harness.components.example import Dataset
from harness.components.paths import DATA_VARIABLE
from harness.datasets.files import Files
from harness.datasets.hub import HubSource
from harness.datasets.huggingface import HuggingFace
from harness.datasets.tables import Table
from harness.datasets.tabular import TabularSource, joined
from harness.errors import InputError


class ThesisDataset(DatasetSource):
    """What the named data sets have in common: where they come from, and how large they are."""

    folder: str | None = None
    """Folder with local copies in Parquet files (see docs/datasets.md for the layout); by default the environment variable
    HARNESS_DATA, and if that is not set the Hugging Face hub."""
    train_size: int | None = Field(default=None, ge=2)
    """Training examples at most, drawn so that classes keep their shares; by default all."""
    test_size: int | None = Field(default=None, ge=1)
    """Test examples at most; by default all."""
    drop_duplicates: bool = False
    """Leave out training examples whose text is also in the validation or test set, or came before."""

    facts: ClassVar[dict[str, Any]]
    """Class names, columns and description."""

    @abstractmethod
    def _local(self, folder: str, common: dict[str, Any]) -> TabularSource:
        """The data set out of Parquet files below ``folder``."""

    @abstractmethod
    def _hub(self, common: dict[str, Any]) -> TabularSource:
        """The data set out of the hub."""

    def source(self) -> TabularSource:
        """The data set as files or as a data set of the hub, with all its options."""
        sizes = self.model_dump(include={"train_size", "validation_size", "test_size", "drop_duplicates"})
        common = self.facts | sizes | {"drop_empty": True}
        folder = self.folder or os.environ.get(DATA_VARIABLE)
        return self._local(folder, common) if folder else self._hub(common)

    def preflight(self) -> None:
        """Check that the files are there, or the data set on the hub is."""
        try:
            self.source().preflight()
        except InputError as error:
            hint = f"`folder` or {DATA_VARIABLE} names a folder with local copies; without either the hub is used."
            raise type(error)(error.message, hint=f"{error.hint}\n{hint}" if error.hint else hint) from error

    def identity(self) -> dict[str, Any]:
        """The options of the source, with the contents named by digests or by a commit."""
        return self.source().identity()

    def class_names(self) -> tuple[str, ...]:
        """The class names by index."""
        return tuple(self.facts["labels"])

    def load(self, *, seed: int) -> Dataset:
        """Read and split the data set; see :meth:`harness.components.DatasetSource.load`."""
        return self.source().load(seed=seed)


class Imdb(ThesisDataset):
    """IMDb movie reviews (Maas et al. 2011): sentiment; 500 validation examples drawn from test and removed from it."""

    api_version: ClassVar[int] = 1
    facts: ClassVar[dict[str, Any]] = {
        "labels": ("negative", "positive"),
        "columns": ("review",),
        "description": "Is the opinion that a movie review expresses negative or positive?",
        "validation_from": "test",
    }

    validation_size: int = Field(default=500, ge=1)
    """Validation examples."""

    def _local(self, folder: str, common: dict[str, Any]) -> TabularSource:
        return self.within(Files, folder=folder, train="imdb/train.parquet", test="imdb/test.parquet", **common)

    def _hub(self, common: dict[str, Any]) -> TabularSource:
        return self.within(HuggingFace, path="stanfordnlp/imdb", **common)


class Mrpc(ThesisDataset):
    """MRPC sentence pairs (Dolan and Brockett 2005): paraphrase or not; the splits of GLUE."""

    api_version: ClassVar[int] = 1
    facts: ClassVar[dict[str, Any]] = {
        "labels": ("not a paraphrase", "paraphrase"),
        "columns": ("first sentence", "second sentence"),
        "description": "Do two sentences from the news say the same?",
    }

    validation_size: int | None = Field(default=None, ge=1)
    """Validation examples at most; by default all."""

    def _local(self, folder: str, common: dict[str, Any]) -> TabularSource:
        files: dict[str, Any] = {split: f"mrpc/{split}.parquet" for split in ("train", "validation", "test")}
        return self.within(Files, folder=folder, **files, text="text_a", text_pair="text_b", **common)

    def _hub(self, common: dict[str, Any]) -> TabularSource:
        return self.within(
            HuggingFace,
            path="nyu-mll/glue",
            config="mrpc",
            validation="validation",
            text="sentence1",
            text_pair="sentence2",
            **common,
        )


class Qnli(ThesisDataset):
    """QNLI pairs (GLUE, from SQuAD): does the sentence answer the question; the published validation set is halved.

    The labels of the published test set are not public, so half of the validation set serves as the test set.
    """

    api_version: ClassVar[int] = 1
    facts: ClassVar[dict[str, Any]] = {
        "labels": ("answers the question", "does not answer the question"),
        "columns": ("question", "sentence"),
        "description": "Does a sentence from an encyclopedia hold the answer to a question?",
        "validation_from": "test",
    }

    validation_size: int | float = Field(default=0.5, gt=0)
    """Validation examples drawn from the published validation set: how many, or (below 1) which share. Test: the rest."""

    def _local(self, folder: str, common: dict[str, Any]) -> TabularSource:
        return self.within(
            Files,
            folder=folder,
            train="qnli/train.parquet",
            test="qnli/validation.parquet",
            text="text_a",
            text_pair="text_b",
            **common,
        )

    def _hub(self, common: dict[str, Any]) -> TabularSource:
        return self.within(
            HuggingFace,
            path="nyu-mll/glue",
            config="qnli",
            test="validation",
            text="question",
            text_pair="sentence",
            **common,
        )


class EmailSms(ThesisDataset):
    """Spam under domain shift: trained on Enron e-mails (Metsis et al. 2006), tested on SMS (Almeida et al. 2011).

    E-mails are `subject [SEP] message`. The validation examples are drawn from the SMS; as in the thesis they stay in the
    test set too, unless told otherwise.
    """

    api_version: ClassVar[int] = 1
    facts: ClassVar[dict[str, Any]] = {
        "labels": ("ham", "spam"),
        "columns": ("message",),
        "description": "Is a message spam (unsolicited advertising or fraud) or ham (wanted)?",
        "validation_from": "test",
    }

    validation_size: int = Field(default=317, ge=1)
    """Validation examples, drawn from the SMS."""
    keep_validation_in_test: bool = True
    """Test on all SMS as the thesis does (table 3.1), those of the validation set included."""

    def _local(self, folder: str, common: dict[str, Any]) -> TabularSource:
        kept = self.keep_validation_in_test
        return self.within(
            Files,
            folder=folder,
            train="email/train.parquet",
            test="sms/test.parquet",
            keep_validation_in_test=kept,
            **common,
        )

    def _hub(self, common: dict[str, Any]) -> TabularSource:
        return self.within(_HubEmailSms, keep_validation_in_test=self.keep_validation_in_test, **common)


class _HubEmailSms(TabularSource):
    """Two data sets of the hub, with different columns, as one."""

    api_version: ClassVar[int] = 1

    @property
    def email(self) -> HubSource:
        """The training data."""
        return HubSource("SetFit/enron_spam", folders=self.origin().folders)

    @property
    def sms(self) -> HubSource:
        """The test data."""
        return HubSource("ucirvine/sms_spam", folders=self.origin().folders)

    def preflight(self) -> None:
        self.email.check()
        self.sms.check()

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"email": self.email.identity(), "sms": self.sms.identity()}

    def _read(self, split: str, columns: Sequence[str]) -> Table | None:
        if split == "validation":
            return None
        if split == "test":
            table = self.sms.table("train", ["sms", "label"], split=split)
            return Table(split, table.where, {"text": table.column("sms"), "label": table.column("label")})
        table = self.email.table("train", ["subject", "message", "label"], split=split)
        texts = joined(table, ["subject", "message"], self.join)
        return Table(split, table.where, {"text": texts, "label": table.column("label")})

    def _facts(self) -> dict[str, int | float | str]:
        return {"source": f"{self.email.identity()}, {self.sms.identity()}"}
