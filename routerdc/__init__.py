"""The method: a query encoder, one embedding per LLM, two contrastive losses (RouterDC, arXiv 2409.19886)."""
