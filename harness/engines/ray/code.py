"""What code a process would compute with, so that workers that would compute something else are refused."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from harness.registry import registry
from harness.version import __version__

LIBRARIES = ("torch", "transformers", "tokenizers", "numpy", "scipy", "scikit-learn", "pyarrow", "safetensors")
"""Distributions whose versions decide about bytes."""


@cache
def installed_code() -> dict[str, str]:
    """Versions of Python and of what computes, with a digest of the source for the harness and its plugins."""
    found = {"python": platform.python_version()}
    packages = {"bliss-harness": (__version__, {"harness"})}
    for entry in registry().entries():
        if entry.installed:
            top = entry.point.value.partition(":")[0].partition(".")[0]
            packages.setdefault(entry.distribution, (entry.version, set()))[1].add(top)
    for name, (number, tops) in packages.items():
        found[name] = f"{number} (code {_digest(sorted(tops))})"
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def differences(here: Mapping[str, str], there: Mapping[str, str]) -> list[str]:
    """What differs, as ``"torch: 2.13.0 here, 2.12.0 there"``."""
    names = sorted(here.keys() | there.keys())
    return [
        f"{name}: {here.get(name, 'missing')} here, {there.get(name, 'missing')} there"
        for name in names
        if here.get(name) != there.get(name)
    ]


def _digest(packages: list[str]) -> str:
    """A digest of the Python files of packages: 8 hexadecimal digits."""
    digest = hashlib.sha256()
    for package in packages:
        spec = find_spec(package)
        roots = [] if spec is None else [Path(place) for place in spec.submodule_search_locations or ()]
        files = [(file.relative_to(root).as_posix(), file) for root in roots for file in root.rglob("*.py")]
        if spec is not None and not roots and spec.origin:
            files = [(package, Path(spec.origin))]
        for name, file in sorted(files):
            digest.update(f"{package}\0{name}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()[:8]
