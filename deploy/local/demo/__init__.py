"""Demo endpoints: OpenAI- and Anthropic-compatible servers with canned answers, and sample queries for them."""
