"""The command `monailabel`, which `ccsd serve` becomes: `python -m ccsd.server start_server ...`."""

from __future__ import annotations

from ccsd.common.loading import without_garbage_collection

with without_garbage_collection():
    from monailabel.main import Main

if __name__ == "__main__":
    Main().run()
