"""Files of tensors. Not in `lib/ccsd/common/files.py`: what only looks at studies should not wait for torch to load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def save_tensors(content: Any, path: Path) -> None:
    """As torch.save. Raises OSError where the disk is full, which torch does not say if it opens the file itself."""
    with path.open("wb") as stream:
        torch.save(content, stream)
