"""What makes the names in a folder outlast a power cut: files that were made, replaced or deleted there stay so."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Return when the names in `folder` are on disk; what its files hold is synced by whoever wrote it. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
