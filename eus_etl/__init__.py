"""From hospital ultrasound videos to datasets that can be trusted frame by frame."""
