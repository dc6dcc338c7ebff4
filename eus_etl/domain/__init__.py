"""Pure functions: values and tables in, values and tables out; no orchestration, no network."""
