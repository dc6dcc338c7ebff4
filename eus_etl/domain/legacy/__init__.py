"""Tables of the scripts that came before this package."""
