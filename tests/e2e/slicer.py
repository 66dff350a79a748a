"""3D Slicer's unmodified MONAI Label module, from MONAI Label's wheel, without Slicer: its logic and its options table
run, of Qt and Slicer there is only as much as those touch."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

PLUGIN = Path(sys.prefix, "monailabel", "plugins", "slicer", "MONAILabel")


class Cell:
    """A QTableWidgetItem: text, as in the cell of a number or a string."""

    def __init__(self, text: str) -> None:
        self.shown = text

    def text(self) -> str:
        return self.shown

    def setFlags(self, flags: int) -> None:  # noqa: N802  # Qt's name, as all below
        pass

    def flags(self) -> int:
        return 0


class ComboBox:
    """A QComboBox; only text can be an entry."""

    def __init__(self) -> None:
        self.entries: list[str] = []
        self.currentText = ""

    def addItem(self, text: str, data: Any = None) -> None:  # noqa: N802
        assert isinstance(text, str), f"QComboBox.addItem({text!r}): Slicer raises TypeError"
        self.entries.append(text)

    def setCurrentIndex(self, index: int) -> None:  # noqa: N802
        self.currentText = self.entries[index]


class CheckBox:
    """A QCheckBox."""

    def __init__(self) -> None:
        self.checked = False

    def setChecked(self, checked: bool) -> None:  # noqa: N802
        self.checked = checked


class Table:
    """A QTableWidget of two columns."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], Any] = {}
        self.rowCount = 0

    def clear(self) -> None:
        self.cells = {}

    def setRowCount(self, count: int) -> None:  # noqa: N802
        self.rowCount = count

    def setItem(self, row: int, column: int, cell: Cell) -> None:  # noqa: N802
        self.cells[row, column] = cell

    def setCellWidget(self, row: int, column: int, widget: Any) -> None:  # noqa: N802
        self.cells[row, column] = widget

    def item(self, row: int, column: int) -> Cell | None:
        cell = self.cells[row, column]
        return cell if isinstance(cell, Cell) else None

    def cellWidget(self, row: int, column: int) -> Any:  # noqa: N802
        return self.cells[row, column]

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None  # widths and headers


class Chooser:
    """A combo box of which only what is chosen matters."""

    def __init__(self, chosen: str) -> None:
        self.currentIndex, self.chosen = 0, chosen

    def itemText(self, index: int) -> str:  # noqa: N802
        return self.chosen


def load_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """MONAILabel.py as Slicer loads it."""
    base: dict[str, Any] = {
        f"ScriptedLoadableModule{kind}": type(kind or "Module", (), {}) for kind in ("", "Widget", "Logic", "Test")
    }
    qt = {
        "QComboBox": ComboBox,
        "QCheckBox": CheckBox,
        "QTableWidgetItem": Cell,
        "QDialog": object,
        "Qt": SimpleNamespace(ItemIsEditable=0),
    }
    slicer = {"util": SimpleNamespace(tempDirectory=tempfile.mkdtemp)}
    stubs: Mapping[str, Mapping[str, Any]] = {
        "ctk": {"ctkSettingsPanel": object},
        "qt": qt,
        "SampleData": {},
        "sitkUtils": {},
        "vtk": {},
        "vtkSegmentationCore": {},
        "slicer": slicer,
        "slicer.i18n": {"tr": str, "translate": lambda _, text: text},
        "slicer.util": {"VTKObservationMixin": object},
        "slicer.ScriptedLoadableModule": base,
    }
    for name, content in stubs.items():
        module = types.ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.syspath_prepend(str(PLUGIN))
    spec = importlib.util.spec_from_file_location("MONAILabel", PLUGIN / "MONAILabel.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Slicer:
    """A user at the module: connects, sets options, asks."""

    def __init__(self, module: Any, url: str, folder: Path) -> None:
        self.logic = module.MONAILabelLogic(str(folder), server_url=url, client_id="user-1")
        self._widget = module.MONAILabelWidget.__new__(module.MONAILabelWidget)
        self._widget.optionsSectionIndex = self._widget.optionsNameIndex = 0
        self.info = self._widget.info = self.logic.info()  # onClickFetchInfo
        self.colour = self._widget.getLabelColor

    def options(self, section: str, name: str) -> dict[str, Any]:
        """The options table of a section (infer, train, activelearning): key -> cell or widget."""
        table = Table()
        self._widget.ui = SimpleNamespace(optionsSection=Chooser(section), optionsName=Chooser(name), configTable=table)
        self._widget.updateConfigTable(refresh=False)
        return {table.cells[row, 0].text(): table.cells[row, 1] for row in range(table.rowCount)}

    def params(self, section: str, name: str, chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the module sends, after the user has set these options: text typed, entry chosen, box ticked."""
        shown = self.options(section, name)
        for key, value in (chosen or {}).items():
            cell = shown[key]
            if isinstance(cell, ComboBox):
                assert value in cell.entries
                cell.currentText = value
            elif isinstance(cell, CheckBox):
                cell.checked = value
            else:
                cell.shown = value
        found: dict[str, Any] = self._widget.getParamsFromConfig(section, name)
        return found

    def segment(self, image: str, chosen: Mapping[str, Any] | None = None, session: str | None = None) -> Any:
        """The button Run: (mask file, params)."""
        return self.logic.infer("ccsd", image, self.params("infer", "ccsd", chosen), session_id=session)


def segment_names(params: Mapping[str, Any], info: Mapping[str, Any]) -> Sequence[str]:
    """The name that the module gives to each label value, from 1 (`onClickSegmentation`)."""
    labels = params.get("label_names") or info["models"]["ccsd"]["labels"]
    return [name for name, _ in sorted(labels.items(), key=lambda item: item[1]) if name != "background"]
