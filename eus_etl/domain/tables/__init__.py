"""The tables of the data contract, declared once."""
