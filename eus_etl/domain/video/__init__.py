"""Reading video files: packets, times, frames."""
