"""Load shapes: how the number of users changes over a test. Give one to locust with a second -f.

They read locust's own --users, --spawn-rate and --run-time, and flags of their own.
"""
