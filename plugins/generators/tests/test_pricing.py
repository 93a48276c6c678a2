"""Prices from the list of a package: only for a model at its provider's address, and said where they come from."""

from __future__ import annotations

from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price

import harness
from harness.errors import HarnessError


def made(**options):
    return harness.component("generator", "openai", **options)


def test_prices_are_those_of_the_list() -> None:
    found = made(model="gpt-4o-mini")
    direct = calc_price(Usage(input_tokens=2000, output_tokens=500), model_ref="gpt-4o-mini", provider_id="openai")
    assert Decimal(str(found.cost(2000, 500))) == pytest.approx(direct.total_price)
    cached = calc_price(Usage(input_tokens=2000, cache_read_tokens=1500), model_ref="gpt-4o-mini", provider_id="openai")
    assert Decimal(str(found.cost(2000, 0, 1500))) == pytest.approx(cached.total_price)
    assert found.price_source.startswith("genai-prices ")
    assert found.price_source.endswith("openai, gpt-4o-mini")


@pytest.mark.parametrize(
    "options",
    [
        {"model": "nobody-knows-it"},
        {"model": "gpt-4o-mini", "base_url": "http://127.0.0.1:8000/v1"},
        {"model": "gpt-4o-mini", "base_url": "http://gateway/v1"},
        {"model": "gpt-4o-mini", "base_url": "https://proxy.example.com/v1"},
        {"model": "gpt-4o-mini", "base_url": "https://name.openai.azure.com", "api": "azure"},
    ],
)
def test_nothing_is_guessed(options) -> None:
    found = made(**options)
    assert (found.price_prompt, found.price_cached, found.price_completion, found.price_source) == (
        None,
        None,
        None,
        "",
    )
    assert found.cost(1000, 1000) == 0
    with pytest.raises(HarnessError, match=r"max_cost needs .* does not know"):
        made(**options, max_cost=1.0)


def test_options_come_before_the_list() -> None:
    found = made(model="gpt-4o-mini", price_prompt=9.0, price_completion=10.0)
    assert (found.price_prompt, found.price_completion, found.price_source) == (9.0, 10.0, "")


def test_a_budget_of_money_needs_no_prices_for_a_known_model() -> None:
    assert made(model="gpt-4o-mini", max_cost=0.5).max_cost == 0.5


def test_what_a_record_keeps_reads_back_the_same() -> None:
    found = made(model="gpt-4o-mini")
    again = made(**{name: value for name, value in found.model_dump(mode="json").items() if name != "relative_to"})
    assert again == found
    assert "price_source" not in found.identity()
