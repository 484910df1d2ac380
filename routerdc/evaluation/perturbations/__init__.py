"""Prompts changed and LLMs taken away: does the router still choose well?"""
