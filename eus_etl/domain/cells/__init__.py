"""Statistics of picture cells, and where the cells lie."""
