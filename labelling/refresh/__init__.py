"""One round from new prompts to a better bundle in use, or to none."""
