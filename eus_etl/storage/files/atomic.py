"""Files and folders that appear whole or not at all: write beside them, fsync, rename."""

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eus_etl.errors import DiskFullError
from eus_etl.storage.files.fence import publishing
from eus_etl.storage.files.folders import make_folder
from eus_etl.storage.files.partial import partial_name


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; renamed to ``path`` when the block ends without an error.

    Raises:
        DiskFullError: the disk is full; nothing is left behind.
        LeaseLostError: another process works on what ``path`` belongs to; nothing is left behind.
    """
    make_folder(path.parent)
    partial = partial_name(path)  # two sensors may write to one path at once
    try:
        yield partial
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        with publishing():
            partial.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise_if_full(error, path.parent)
        raise
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> bool:
    """Write ``data`` to ``path`` whole or not at all; returns False if the file already holds it."""
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    with atomic_path(path) as partial:
        partial.write_bytes(data)
    return True


def write_first(path: Path, data: bytes) -> bool:
    """Write ``data`` to ``path`` unless something is there; returns whether this process wrote it.

    Of several that try at once, on whichever machines, one does.

    Raises:
        DiskFullError: the disk is full; nothing is left behind.
    """
    make_folder(path.parent)
    partial = partial_name(path)
    try:
        with partial.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(partial)  # unlike a rename, it replaces nothing
        sync_folder(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise_if_full(error, path.parent)
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS):
            raise
        return write_atomically(path, data)  # a file system without links
    finally:
        partial.unlink(missing_ok=True)
    return True


def publish_folder(partial: Path, final: Path) -> None:
    """Show a finished folder under its final name, once all its files are on the disk.

    An older ``final`` is replaced. Both must be on one file system.

    Raises:
        LeaseLostError: another process works on what ``final`` belongs to.
    """
    sync_file_system(partial)
    make_folder(final.parent)
    before = partial_name(final)
    with publishing():
        if final.exists():
            final.replace(before)
        partial.replace(final)
    sync_folder(final.parent)
    shutil.rmtree(before, ignore_errors=True)  # what is left of it is removed as unfinished


@contextmanager
def folder_beside(final: Path) -> Iterator[Path]:
    """An empty folder to fill, beside ``final``; gone afterwards unless it was published.

    Raises:
        DiskFullError: the disk became full in the block.
    """
    partial = partial_name(final)
    try:
        make_folder(partial.parent)
        partial.mkdir()
        yield partial
    except OSError as error:
        raise_if_full(error, final.parent)
        raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, so that a rename in it survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(folder: Path) -> None:
    """Flush everything written to ``folder``'s file system, in one call for thousands of images."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    except AttributeError:  # no syncfs outside Linux
        os.sync()
    finally:
        os.close(descriptor)


def raise_if_full(error: OSError, folder: Path) -> None:
    """Turn "no space left" into an error that says what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        # the folder's last two names are enough to find the disk, and hold ids only
        where = "/".join(folder.parts[-2:])
        raise DiskFullError(
            where, "no space left on the disk", "free space and run again; finished work is kept"
        ) from None  # the original message holds a path, which may contain an uploaded name
