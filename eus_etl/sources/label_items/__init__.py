"""Where label items come from."""
