"""Pictures within the page, shrunk alike where they would make it too large."""

import base64
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

WIDTHS = (1600, 1200, 900, 650, 450, 300, 200)
"""Pixels to which pictures are shrunk, the first that lets the page be small enough."""

QUALITY = 85
"""Of JPEG, as which they are saved then."""

PNG = b"\x89PNG\r\n\x1a\n"


def embedded(pictures: Sequence[Path], room: int) -> dict[Path, str]:
    """Data URIs, in all at most so many characters; those that are no PNG files are left out, and all of
    them where even small ones are too large."""
    found = {path: content for path in dict.fromkeys(pictures) if (content := _read(path))}
    uris = {path: _uri("png", content) for path, content in found.items()}
    for width in WIDTHS:
        if _size(uris) <= room:
            return uris
        uris = {path: _smallest(content, width) for path, content in found.items()}
    return uris if _size(uris) <= room else {}


def _smallest(content: bytes, width: int) -> str:
    """As it was, or shrunk."""
    return min(_uri("png", content), _shrunk(content, width), key=len)


def _read(path: Path) -> bytes:
    """Empty where it is no PNG file."""
    content = path.read_bytes()
    return content if content.startswith(PNG) else b""


def _shrunk(content: bytes, width: int) -> str:
    """As JPEG on white, at most so wide; as it was where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(BytesIO(content)) as image:
            picture = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return _uri("png", content)
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    flat = white.convert("RGB")
    flat.thumbnail((width, 4 * width), Image.Resampling.LANCZOS)
    kept = BytesIO()
    flat.save(kept, "JPEG", quality=QUALITY, optimize=True)
    return _uri("jpeg", kept.getvalue())


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _size(uris: dict[Path, str]) -> int:
    return sum(map(len, uris.values()))
