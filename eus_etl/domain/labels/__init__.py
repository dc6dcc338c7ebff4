"""Label items: intervals of the stopwatches and their problems."""
