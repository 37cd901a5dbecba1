"""Pictures of the pages: what the repository holds is to stay small."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

WIDTH, COLOURS = 1400, 128


def put_picture(source: Path, target: Path) -> None:
    """A PNG picture as a page shows it: 1,400 pixels wide, of 128 colours."""
    with Image.open(source) as image:
        size = (WIDTH, round(WIDTH * image.height / image.width))
        small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS).quantize(COLOURS)
    target.parent.mkdir(parents=True, exist_ok=True)
    small.save(target, optimize=True)
