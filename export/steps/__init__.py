"""The steps of an export, one module each; every one has to pass its check before it replaces the old artefact."""
