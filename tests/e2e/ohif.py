"""What a user does in OHIF's MONAI Label mode, and what the page then shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, Response

SECONDS = 1000.0  # ms
COLOURED = 20  # difference of the colour channels; MR is grey

# The label map: its voxels, and the LPS mm of voxel (i, j, k) as origin + direction * spacing * (i, j, k).
LABEL_MAP = """() => {
  const volume = window.services.segmentationService.getLabelmapVolume('1');
  const segments = Object.values(window.services.segmentationService.getSegmentation('1').segments);
  return {
    names: Object.fromEntries(segments.map((s) => [s.label, s.segmentIndex])),
    data: Array.from(volume.voxelManager.getCompleteScalarDataArray()),
    shape: Array.from(volume.dimensions), origin: Array.from(volume.origin),
    spacing: Array.from(volume.spacing), direction: Array.from(volume.direction),
  };
}"""
# Where points in LPS mm are drawn: per viewport its plane, and the page's pixel of each point.
DRAWN_AT = """(points) => {
  const service = window.services.cornerstoneViewportService;
  const ids = Array.from(window.services.viewportGridService.getState().viewports.keys());
  return ids.map((id) => {
    const viewport = service.getCornerstoneViewport(id);
    const box = viewport.element.getBoundingClientRect();
    const { focalPoint, viewPlaneNormal } = viewport.getCamera();
    return {
      focal: Array.from(focalPoint), normal: Array.from(viewPlaneNormal),
      box: [box.left, box.top, box.right, box.bottom],
      pixels: points.map((p) => viewport.worldToCanvas(p)).map(([x, y]) => [x + box.left, y + box.top]),
    };
  });
}"""


@dataclass(frozen=True)
class Drawn:
    """A label map as OHIF holds it: `data` (i, j, k), its affine, voxel -> RAS mm, and name -> value."""

    names: dict[str, int]
    data: NDArray[np.uint8]
    affine: NDArray[np.float64]


def open_study(page: Page, url: str, patient: str) -> None:
    """From the list of studies into the MONAI Label mode of a patient's study."""
    page.goto(f"{url}/ohif/", timeout=60 * SECONDS)
    page.get_by_role("button", name="Confirm and Hide").click(timeout=60 * SECONDS)
    page.get_by_text(patient, exact=True).first.click(timeout=60 * SECONDS)
    page.get_by_role("button", name=re.compile("MONAI Label", re.I)).first.click()
    page.locator(".cornerstone-canvas").first.wait_for(timeout=60 * SECONDS)


def show_series(page: Page, description: str) -> None:
    """Double-click a thumbnail: the series is shown, and it is what will be segmented."""
    thumbnail = page.locator('[data-cy="study-browser-thumbnail"]').filter(has_text=description)
    thumbnail.first.dblclick(timeout=60 * SECONDS)
    shown = page.locator('[data-cy="viewport-pane"]').filter(has_text=description)
    shown.first.wait_for(timeout=60 * SECONDS)


def connect(page: Page) -> list[str]:
    """The arrow beside the server's address; the models that the panel then offers."""
    page.locator(".settingsTable button.actionButton").click()
    models = page.locator(".modelSelector select.selectBox").first
    models.wait_for(timeout=60 * SECONDS)
    return [name.strip() for name in models.locator("option").all_inner_texts()]


def run(page: Page) -> Response:
    """Run the segmentation; the server's answer, once it is drawn."""
    with page.expect_response(lambda r: "/infer/" in r.url, timeout=180 * SECONDS) as answer:
        page.locator('button[title="Run Segmentation"]').click()
    response = answer.value
    page.wait_for_timeout(4 * SECONDS)
    return response


def label_map(page: Page) -> Drawn:
    found: dict[str, Any] = page.evaluate(LABEL_MAP)
    data = np.array(found["data"], dtype=np.uint8).reshape(found["shape"], order="F")
    affine = np.eye(4)
    affine[:3, :3] = np.array(found["direction"]).reshape(3, 3).T * np.array(found["spacing"])
    affine[:3, 3] = found["origin"]
    return Drawn(found["names"], data, np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)


def coloured_share(page: Page, points: NDArray[np.float64], *, thickness: float) -> tuple[float, int]:
    """Of points (K, 3) in RAS mm, those that lie in a plane that is shown, by `thickness` mm at most: the share that is
    drawn in colour, and their number."""
    lps = points * [-1, -1, 1]
    picture = np.asarray(Image.open(BytesIO(page.screenshot())).convert("RGB")).astype(int)
    colourful = picture.max(axis=-1) - picture.min(axis=-1) > COLOURED
    hits: list[bool] = []
    for viewport in page.evaluate(DRAWN_AT, lps.tolist()):
        away = np.abs((lps - viewport["focal"]) @ np.array(viewport["normal"]))
        left, top, right, bottom = viewport["box"]
        for (x, y), distance in zip(viewport["pixels"], away, strict=True):
            if distance < thickness / 2 and left + 5 < x < right - 5 and top + 60 < y < bottom - 40:
                hits.append(bool(colourful[round(y), round(x)]))
    return (float(np.mean(hits)) if hits else 0.0), len(hits)
