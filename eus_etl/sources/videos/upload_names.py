"""Which names in a drive do not belong to finished uploads: one set of rules for every source of videos.

Programs that copy, download or synchronize write under a name of their own and rename the file when it is
whole. A file that keeps such a name is unfinished, however long it has not changed.
"""

import os
import re
from collections.abc import Collection, Sequence

from eus_etl.storage.files.listing import CLUTTER

_TRASH = re.compile(r"\.trash(es|-\w+)?|\$recycle\.bin|recycler|#recycle|@recycle|@recently-snapshot")
"""Folders, in lower case, that hold what people have deleted."""

_SYSTEM = frozenset({"system volume information", "lost+found", "@eadir"})
"""Folders, in lower case, that belong to the operating system or the server."""

_UNFINISHED_SUFFIXES = (
    # browsers
    *(".crdownload", ".part", ".partial", ".download", ".opdownload", ".dtapart", ".fdmdownload"),
    # copying and transfer: rclone, WinSCP, KDE, lftp, aria2, yt-dlp, SFTP servers
    *(".filepart", ".tmp", ".temp", ".aria2", ".lftp-pget-status", ".ytdl", ".incomplete", ".unfinished"),
    *(".uploading", ".inprogress"),
    # peers: uTorrent, qBittorrent, BitComet, Resilio, Xunlei, JDownloader
    *(".!ut", ".!qb", ".bc!", ".!sync", ".bts", ".td", ".xltd", ".jc!"),
    # editors and their backups
    *("~", ".swp"),
)
_UNFINISHED = re.compile(
    r"~\$.*"  # owner files of Microsoft Office
    r"|~(syncthing|btsync)~.*"
    r"|#.*#"  # Emacs
    r"|.*\.sb-[0-9a-f]{8}-\w{6}"  # safe saving on macOS
    r"|.*\.part-frag[0-9]+"  # yt-dlp
    # hidden while they are written: rsync, scp clients, GNOME, FUSE, NFS, Syncthing, FTP servers, Nextcloud
    r"|\.(goutputstream-|giosave|fuse_hidden|nfs[0-9a-f]{8}|syncthing\.|pureftpd-upload\.|in\.|~lock\.).*"
    r"|\..+\.\w{6}"  # rsync and mkstemp
    r"|\..+\.~[0-9a-f]+",
    re.DOTALL,
)
_CONTROL_SUFFIXES = (".aria2", ".lftp-pget-status", ".st")
"""Suffixes of the files that a program keeps beside one that it writes under its final name."""

_TEMPORARY, _HIDDEN = "temporary_name", "hidden_name"


def readable_name(name: str) -> str:
    """A name of the file system as text; one that is not UTF-8 is read as Windows' cp1252."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raw = os.fsencode(name)
        try:
            return raw.decode("cp1252")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    return name


def is_clutter(name: str) -> bool:
    """Whether a computer leaves files of this name by itself: they are no uploads, and are not recorded."""
    return name.casefold() in CLUTTER


def why_not_taken(parts: Sequence[str], beside: Collection[str] = ()) -> str | None:
    """Why the path of a file shows that it is not a finished upload; None where it may be one.

    Args:
        parts: folder names and file name below the study's folder.
        beside: names in the same folder.

    Returns:
        ``temporary_name`` (a program is writing it, or was stopped while it did), ``hidden_name`` or
        ``trashed``.
    """
    folded = [part.casefold() for part in parts]
    if any(map(_TRASH.fullmatch, folded[:-1])):
        return "trashed"
    # ``._x`` holds what a Mac could not store in ``x``: it is hidden, and will never be finished
    if any(_is_temporary(name) for name in folded if not name.startswith("._")):
        return _TEMPORARY
    if any(name.startswith(".") or name in _SYSTEM for name in folded):
        return _HIDDEN
    if any(parts[-1] + suffix in beside for suffix in _CONTROL_SUFFIXES):
        return _TEMPORARY
    return None


def _is_temporary(folded: str) -> bool:
    return folded.endswith(_UNFINISHED_SUFFIXES) or _UNFINISHED.fullmatch(folded) is not None
