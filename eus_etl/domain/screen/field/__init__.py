"""The field on the screen as a shape: what shapes there are, how they are fitted, which one is believed."""
