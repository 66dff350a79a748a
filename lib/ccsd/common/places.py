"""Where the app is, its weights and its demo study: in a checkout beside the code, else in the user's home."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]
_IS_CHECKOUT = (_CHECKOUT / "apps" / "ccsd" / "main.py").is_file()
_HOME = Path.home() / ".local" / "share" / "ccsd"

APP = _CHECKOUT / "apps" / "ccsd" if _IS_CHECKOUT else _HOME / "app"  # MONAI Label's app folder; weights in model/
DEMO = _CHECKOUT / "studies" / "demo" if _IS_CHECKOUT else _HOME / "demo"  # the study of a start without --studies
SHIPPED = (APP / "model" if _IS_CHECKOUT else _PACKAGE / "models" / "shipped") / "pretrained_ccsd.pt"  # setup.py
