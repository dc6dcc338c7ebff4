"""Where rows about patients come from."""
