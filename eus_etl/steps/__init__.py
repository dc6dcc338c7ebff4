"""What each asset does, without Dagster: read inputs from the root, call the domain, write, report.

One module or folder per asset. The commands and the assets call the same functions.
"""
