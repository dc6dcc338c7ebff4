"""What only a command does: one module or folder per command."""
