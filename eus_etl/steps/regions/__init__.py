"""The asset `regions`: the layouts of a visit's videos, and the ultrasound region of each."""
