"""Messages and audios with a dataset_info.json, as LLaMA-Factory reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from pipeline.export.base import Finished
from pipeline.export.swift import Swift

_TAGS = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}


class LlamaFactory(Swift):
    """ms-swift's lines; each split is a dataset of its own, `soundseam_train` and `soundseam_validation`."""

    name: ClassVar[str] = "llamafactory"
    reader: ClassVar[str] = "LLaMA-Factory"
    indexes: ClassVar[tuple[str, ...]] = (*Swift.indexes, "dataset_info.json")

    def finish(self, finished: Finished) -> Mapping[str, str]:
        entries = {
            f"soundseam_{name.removesuffix('.jsonl')}": {
                "file_name": name,
                "formatting": "sharegpt",
                "columns": {"messages": "messages", "audios": "audios"},
                "tags": _TAGS,
            }
            for name in self.joined(finished)
        }
        return {"dataset_info.json": json.dumps(entries, indent=2) + "\n"}
