"""Looking for text in preprocessed frames."""
