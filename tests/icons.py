"""`make icons`: the PNG files of the installable app, drawn from their SVG files in a real Chromium."""

from __future__ import annotations

from tests.support.chromium import chromium
from tests.support.servers import ROOT

FOLDER = ROOT / "static" / "icons"
SIZES = {
    "app-192": ("app", 192),
    "app-512": ("app", 512),
    "app-maskable-512": ("app-maskable", 512),
    "app-180": ("app-maskable", 180),
}
"""The drawing and the width of each file, in pixels. Phones round the maskable ones themselves: of 180 pixels for Apple's."""


def main() -> None:
    """Draw every file."""
    with chromium() as browser:
        for name, (source, width) in SIZES.items():
            page = browser.new_page(viewport={"width": width, "height": width})
            drawing = (FOLDER / f"{source}.svg").read_text()
            page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block; width: 100% }}</style>{drawing}")
            page.screenshot(path=str(FOLDER / f"{name}.png"), omit_background=True)
            page.close()
            print(f"static/icons/{name}.png")


if __name__ == "__main__":
    main()
