"""Scores of studies on disk: each is computed once for a study, its contents and a model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ccsd.common.files import write_json


@dataclass(frozen=True)
class Scores:
    """A file: study -> `{"key": model and contents, ...}`. Written by one process at a time, read by any."""

    file: Path

    def read(self) -> dict[str, dict[str, Any]]:
        """All of them; empty where there is no file, or one that cannot be read."""
        try:
            found: dict[str, dict[str, Any]] = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return {}
        return found

    def get(self, study: str, key: str) -> dict[str, Any] | None:
        """What is known of a study, unless it was found with another model or other contents."""
        found = self.read().get(study)
        return found if found and found.get("key") == key else None

    def put(self, study: str, key: str, values: Mapping[str, Any]) -> None:
        write_json(self.file, {**self.read(), study: {"key": key, **values}})
