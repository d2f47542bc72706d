"""What keeps vLLM from loading a model that it compiled before the plugin was there."""

from __future__ import annotations

import logging
from typing import Protocol

logger = logging.getLogger(__name__)

MARK = "soundseam_moss_audio"
VERSION = 1
"""Raised whenever this package changes what is compiled."""


class _Config(Protocol):
    additional_config: object


def mark_as_ours(vllm_config: _Config) -> None:
    """Enters the plugin into the key under which vLLM keeps compiled models on disk.

    The key is of vLLM's configuration, environment and version; the source files that are looked at upon loading are
    those that were traced, and the plugin's are not among them. So without this mark a model that was compiled without
    DeepStack would be loaded again (`__call__` in
    https://github.com/vllm-project/vllm/blob/v0.33.0/vllm/compilation/decorators.py).
    """
    if isinstance(vllm_config.additional_config, dict):
        vllm_config.additional_config[MARK] = VERSION
    else:
        logger.warning("cannot mark what is compiled: if it was compiled before without %s, empty vLLM's cache", MARK)
