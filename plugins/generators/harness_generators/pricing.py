"""What a model's tokens cost where the options do not say: the price list of the package genai-prices, which is part of it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

TOKENS = 1000
"""Prices are asked for so many tokens: where they rise with the length of a request, those of ordinary ones count."""


@dataclass(frozen=True)
class Prices:
    """Prices in US dollars per million tokens.

    Attributes:
        read: Of tokens read.
        cached: Of tokens read that the server had in a cache of its own.
        written: Of tokens written.
        source: Where they come from: the package with its version, the provider, the model.
    """

    read: float
    cached: float
    written: float
    source: str


def listed(model: str, base_url: str) -> Prices | None:
    """The prices of a model at the address of a provider; ``None`` where the list does not know both.

    A proxy's prices are its own, so a model's name alone says nothing.
    """
    if _private(urlsplit(base_url).hostname or ""):
        return None
    from importlib.metadata import version

    from genai_prices import Usage, calc_price

    def price(**tokens: int) -> float:
        found = calc_price(Usage(**tokens), model_ref=model, provider_api_url=base_url)
        total: Decimal = found.total_price
        return float(total * (1_000_000 // TOKENS))

    try:
        known = calc_price(Usage(input_tokens=TOKENS), model_ref=model, provider_api_url=base_url)
        return Prices(
            read=price(input_tokens=TOKENS),
            cached=price(input_tokens=TOKENS, cache_read_tokens=TOKENS),
            written=price(output_tokens=TOKENS),
            source=f"genai-prices {version('genai-prices')}: {known.provider.id}, {known.model.id}",
        )
    except LookupError:
        return None


def _private(host: str) -> bool:
    """Whether a host is on this machine or in a network of one's own."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".localhost"))
