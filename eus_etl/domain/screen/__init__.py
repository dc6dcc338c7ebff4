"""What a screen shows: layouts, the ultrasound region, overlays."""
