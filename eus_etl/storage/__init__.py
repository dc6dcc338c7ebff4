"""What touches the disk: atomic writes, checksums, ownership of a root, table files."""
