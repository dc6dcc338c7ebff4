"""Reads uploaded videos in separate processes, which a file may crash or hang without harming others."""
