"""The terms that all rooms share: a query, its scores, a decision, and how calls end."""
