"""Metric ``blind-spots``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from harness.components import Metric, Outcome, Score, Scores
from harness.errors import DataError
from harness.unknowns import Predictions, whole

if TYPE_CHECKING:
    import pandas as pd

    from harness.types import FloatArray
    from harness_metrics.clusters import BlindSpot


class BlindSpots(Metric):
    """Blind spots: unknown unknowns clustered in feature space, and those planted on purpose.

    A blind spot is a cluster of unknown unknowns at the primary threshold (thesis 2.1.1; Attenberg et al. 2015), in the
    embeddings of the *pre-trained* encoder, which are the same for every arm.

    * ``blind_spots``: their number; ``blind_spot_size``: mean number of members; ``blind_spot_purity``: mean share of unknown
      unknowns among the test examples inside a spot's radius (0 to 1; what is no spot but a sprinkling has a low one);
    * ``blind_spots_removed``: share of the baseline arm's spots in which this arm predicts more than half of the members
      right (0 to 1, higher is better). Only being right counts: a spot of which the arm is merely less confident stays;
    * ``blind_spots_opened``: number of this arm's spots of whose members the baseline predicts more than half right (lower is
      better).

    On data with planted blind spots (data set ``planted``), against the truth: ``planted_found`` and ``planted_hit`` (shares
    of the spots in which the attack elicited an unknown unknown, and that synthetic examples lie in: their origin is a
    member, or most of the five nearest test examples are), ``planted_accuracy`` on the members (``/SPOT``: of one spot),
    ``planted_uu_rate@τ``, ``planted_repaired`` (share of the baseline's unknown unknowns among the members that this arm
    gets right; all of these 0 to 1) and ``planted_cost`` (accuracy lost elsewhere, -1 to 1; below 0 where some was won).
    Higher is better, but of ``planted_uu_rate`` and ``planted_cost`` lower is.

    Tables: ``blind_spots``, ``blind_spot_exemplars``, ``blind_spot_members`` of this arm and of the baseline; ``planted``.
    """

    api_version: ClassVar[int] = 1
    needs: ClassVar[frozenset[str]] = frozenset(
        {"test_embeddings", "train_embeddings", "synthetic", "baseline", "texts"}
    )
    resample: ClassVar[bool] = False

    method: Literal["agglomerative", "hdbscan"] = "agglomerative"
    """How unknown unknowns are clustered: by average cosine distance, or by density."""
    closeness: float = Field(default=0.05, gt=0, lt=1)
    """Clusters are joined while their average distance is below this quantile of the distances between all test examples
    (method `agglomerative`)."""
    min_size: int = Field(default=3, ge=2)
    """Smallest number of members."""
    population: Literal["clean", "deployed"] = "clean"
    """Which unknown unknowns are clustered: those of the unperturbed test set, or those after the attack (at the place of
    their unperturbed texts)."""
    exemplars: int = Field(default=3, ge=0)
    """Members shown of each spot: those nearest to its centre."""
    most: int = Field(default=3000, ge=2)
    """Unknown unknowns clustered at most, the most confident ones: memory grows with the square."""

    def score(self, outcome: Outcome) -> Scores:
        """Cluster the unknown unknowns of the arm and of its baseline, and compare."""
        from harness_metrics.planted_truth import score_planted

        own, predictions = self._spots(outcome, outcome.test_embeddings)
        reference = outcome if outcome.baseline is None else outcome.baseline
        base, base_predictions = (
            (own, predictions) if reference is outcome else self._spots(reference, outcome.test_embeddings)
        )
        removed = [bool(predictions.correct[spot.members].mean() > 0.5) for spot in base]
        opened = [bool(base_predictions.correct[spot.members].mean() > 0.5) for spot in own]
        nan = float("nan")
        scalars = {
            "blind_spots": Score(len(own), "lower", 0, meaning="Number of clusters of unknown unknowns."),
            "blind_spot_size": Score(
                sum(len(spot.members) for spot in own) / len(own) if own else nan,
                low=self.min_size,
                meaning="Mean number of members of a blind spot.",
            ),
            "blind_spot_purity": Score(
                sum(spot.purity for spot in own) / len(own) if own else nan,
                low=0,
                high=1,
                meaning="Mean share of unknown unknowns among the test examples inside a blind spot's radius.",
            ),
            "blind_spots_removed": Score(
                sum(removed) / len(base) if base else nan,
                "higher",
                0,
                1,
                meaning="Share of the baseline's blind spots of which this arm gets more than half right.",
            ),
            "blind_spots_opened": Score(
                sum(opened),
                "lower",
                0,
                meaning="Blind spots of this arm of which the baseline gets more than half right.",
            ),
        }
        tables = self._tables(
            outcome,
            [
                ("this", own, predictions, ["opened" if new else "old" for new in opened]),
                ("baseline", base, base_predictions, ["removed" if gone else "kept" for gone in removed]),
            ],
        )
        planted = score_planted(outcome)
        return Scores(scalars | dict(planted.scalars), tables | dict(planted.tables))

    def follows(self, outcome: Outcome, tables: Mapping[str, pd.DataFrame]) -> Mapping[str, float]:
        """Numbers, sizes and fates of the spots, from who their members are said to be: all but the purity.

        Raises:
            DataError: A member is no test example, or no unknown unknown of its side.
        """
        members = tables.get("blind_spot_members")
        if members is None:
            return {}
        place = {example.id: row for row, example in enumerate(outcome.test)}
        reference = outcome if outcome.baseline is None else outcome.baseline
        sides = {"this": self._predictions(outcome), "baseline": self._predictions(reference)}
        spots: dict[str, list[list[int]]] = {"this": [], "baseline": []}
        for (side, spot), found in members.groupby(["arm", "spot"], sort=True):
            rows = [place.get(str(name), -1) for name in found["id"]]
            if side not in sides or min(rows) < 0 or not sides[side].uu(outcome.thresholds[0])[rows].all():
                raise DataError(
                    f"blind spot {spot} of {side} has members that are no unknown unknowns of the predictions"
                )
            spots[side].append(rows)
        own, base = spots["this"], spots["baseline"]
        removed = [bool(sides["this"].correct[rows].mean() > 0.5) for rows in base]
        opened = [bool(sides["baseline"].correct[rows].mean() > 0.5) for rows in own]
        nan = float("nan")
        return {
            "blind_spots": len(own),
            "blind_spot_size": sum(map(len, own)) / len(own) if own else nan,
            "blind_spots_removed": sum(removed) / len(base) if base else nan,
            "blind_spots_opened": sum(opened),
        }

    def _predictions(self, outcome: Outcome) -> Predictions:
        found = whole(outcome)
        return found.get(self.population, found["clean"])

    def _spots(self, outcome: Outcome, embeddings: FloatArray | None) -> tuple[list[BlindSpot], Predictions]:
        from harness_metrics.clusters import blind_spots

        predictions = self._predictions(outcome)
        if embeddings is None or len(embeddings) != len(predictions.labels):
            raise DataError("The metric blind-spots needs an embedding of every test example.")
        spots = blind_spots(
            embeddings,
            predictions.uu(outcome.thresholds[0]),
            predictions.confidence,
            method=self.method,
            closeness=self.closeness,
            min_size=self.min_size,
            most=self.most,
        )
        return spots, predictions

    def _tables(
        self, outcome: Outcome, sides: Sequence[tuple[str, list[BlindSpot], Predictions, list[str]]]
    ) -> dict[str, pd.DataFrame]:
        import pandas as pd

        from harness_metrics.clusters import Vocabulary

        texts = [e.text if e.text_pair is None else f"{e.text}\n{e.text_pair}" for e in outcome.test]
        vocabulary = Vocabulary(texts)
        spots: list[dict[str, Any]] = []
        exemplars: list[dict[str, Any]] = []
        members: list[dict[str, Any]] = []
        for side, found, predictions, fates in sides:
            for number, (spot, fate) in enumerate(zip(found, fates, strict=True)):
                key = {"arm": side, "spot": number}
                spots.append(
                    key
                    | {
                        "size": len(spot.members),
                        "purity": spot.purity,
                        "label": _most_common(predictions.labels[spot.members].tolist()),
                        "predicted": _most_common(predictions.predicted[spot.members].tolist()),
                        "confidence": float(predictions.confidence[spot.members].mean()),
                        "fate": fate,
                        "words": " ".join(vocabulary.telling(spot.members)),
                    }
                )
                members += [key | {"id": outcome.test[int(row)].id} for row in spot.members]
                for rank, row in enumerate(spot.members[: self.exemplars]):
                    exemplars.append(
                        key
                        | {
                            "rank": rank,
                            "id": outcome.test[int(row)].id,
                            "text": texts[int(row)],
                            "label": int(predictions.labels[row]),
                            "predicted": int(predictions.predicted[row]),
                            "confidence": float(predictions.confidence[row]),
                        }
                    )
        columns = {
            "blind_spots": "arm spot size purity label predicted confidence fate words",
            "blind_spot_exemplars": "arm spot rank id text label predicted confidence",
            "blind_spot_members": "arm spot id",
        }
        rows = {"blind_spots": spots, "blind_spot_exemplars": exemplars, "blind_spot_members": members}
        return {name: pd.DataFrame(rows[name], columns=columns[name].split()) for name in columns}


def _most_common(labels: list[int]) -> int:
    return max(sorted(set(labels)), key=labels.count)
