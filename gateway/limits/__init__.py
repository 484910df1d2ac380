"""Limits: how much is let in, and when. One mechanism a module, one family of errors (`OverloadedError`).

    caller.py          quota: how often the holder of an API key may ask (a token bucket)
    query_budget.py    the budget of queries in flight, with a fair share for each caller and for single queries
    budget.py          budget: how much is held at once, of queries, of bytes, of the shadow's queries
    adaptive_limit.py  adaptive concurrency limit (AIMD): how many queries are scored at once, learned from latency

The fourth mechanism, deadline-aware shedding, needs the queue that it sheds from: `gateway/scoring/deadline_queue.py`.
"""
