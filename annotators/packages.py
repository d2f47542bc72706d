"""Versions of optional packages, without importing them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version(package: str) -> str:
    """Of a distribution; missing where it is not installed, so that a plan can be made without it."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"
