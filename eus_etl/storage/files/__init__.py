"""Files and folders: written whole, read whole, renamed, locked and checked."""
