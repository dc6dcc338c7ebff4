"""Where uploaded videos come from."""
