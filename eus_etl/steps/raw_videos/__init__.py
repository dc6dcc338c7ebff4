"""The asset `raw_videos`: verified copies of a visit's uploads."""
