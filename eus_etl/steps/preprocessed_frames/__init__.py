"""The asset `preprocessed_frames`: images for models, by each recipe."""
