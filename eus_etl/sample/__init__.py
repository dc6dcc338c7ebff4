"""The synthetic hospital: ultrasound phantom, label items and patient rows with known truth."""
