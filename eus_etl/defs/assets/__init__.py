"""The asset graph of a study: from steps to Dagster assets."""
