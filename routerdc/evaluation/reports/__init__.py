"""An evaluation for people: tables, plots, the report, the model card."""
