"""Listing folders of the root: computers leave files of their own in any folder that a person opens."""

from pathlib import Path

CLUTTER = frozenset(
    {".ds_store", ".localized", ".directory", ".nomedia", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
)
"""Names, in lower case, of files that computers leave in folders by themselves."""


def is_clutter(name: str) -> bool:
    """Whether computers leave files of this name: a Mac keeps in ``._x`` what it cannot store in ``x``."""
    return name.startswith("._") or name.casefold() in CLUTTER


def is_shown(name: str) -> bool:
    """Whether a name is neither hidden, as unfinished files are, nor clutter."""
    return not name.startswith(".") and not is_clutter(name)


def listed(folder: Path, pattern: str = "*") -> list[Path]:
    """What matches ``pattern`` below ``folder`` and is shown, sorted; nothing if there is no folder."""
    return sorted(path for path in folder.glob(pattern) if all(map(is_shown, path.relative_to(folder).parts)))
