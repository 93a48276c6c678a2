"""The proxy that the environment puts before a server, for messages."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass


def proxy_of(server: str) -> str:
    """``" through the proxy ADDRESS (VARIABLE)"``, without its password; empty where there is none."""
    parts = urlsplit(server)
    found = getproxies()
    scheme = next((scheme for scheme in (parts.scheme, "all") if found.get(scheme)), "")
    if not scheme or proxy_bypass(parts.netloc):
        return ""
    proxy = urlsplit(found[scheme] if "://" in found[scheme] else f"http://{found[scheme]}")
    address = urlunsplit(proxy._replace(netloc=proxy.netloc.rpartition("@")[2]))
    return f" through the proxy {address} ({scheme.upper()}_PROXY)"
