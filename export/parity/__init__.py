"""Do the artefacts choose as torch does? The queries, the two sides, and the comparison."""
