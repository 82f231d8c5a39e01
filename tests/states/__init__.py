"""The pure core: examples row by row, and properties over whole histories."""
