"""Tables left by the scripts that came before this package."""
