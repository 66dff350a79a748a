"""What the page's viewer shows, and a mouse on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from playwright.sync_api import Page, expect

# what a pane shows in the middle of a voxel of its picture, counted from the upper left corner
PIXEL = """(canvas, [column, row]) => {
  const [x, y, across, down] = canvas.dataset.place.split(' ').map(Number);
  const at = [x + across * (column + 0.5), y + down * (row + 0.5)].map(Math.floor);
  return [...canvas.getContext('2d').getImageData(...at, 1, 1).data].slice(0, 3);
}"""


def open_study(page: Page, name: str) -> None:
    page.locator(".study", has_text=name).click()
    expect(page.locator("#choose-image h2")).to_have_text(name)
    page.wait_for_selector("#canvas-axial[data-drawn]")


def pixel(page: Page, plane: str, at: tuple[int, int]) -> tuple[int, int, int]:
    """The colour that a pane shows in the middle of a voxel (row, column) of its picture."""
    found = page.locator(f"#canvas-{plane}").evaluate(PIXEL, [at[1], at[0]])
    return (found[0], found[1], found[2])


def window(page: Page) -> list[float]:
    """The values that are black and white, as the numbers beside the picture say."""
    width, level = (float(page.locator(f"#window-{name}").input_value()) for name in ("width", "level"))
    return [level - width / 2, level + width / 2]


def place(page: Page, plane: str) -> list[float]:
    """Where a pane's picture lies: its corner, and a voxel's width and height, in px."""
    return [float(v) for v in (page.locator(f"#canvas-{plane}").get_attribute("data-place") or "").split()]


def drag(page: Page, button: Literal["left", "middle", "right"], across: float, down: float) -> None:
    x, y = middle(page)
    page.mouse.move(x, y)
    page.mouse.down(button=button)
    page.mouse.move(x + across, y + down, steps=4)
    page.mouse.up(button=button)


def becomes(page: Page, read: Callable[[], object], expected: object) -> None:
    """Within ten seconds."""
    for _ in range(100):
        if read() == expected:
            return
        page.wait_for_timeout(100)
    assert read() == expected


def middle(page: Page) -> tuple[float, float]:
    box = page.locator("#canvas-axial").bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
