"""Locust patches the standard library for gevent when it is imported: the other tests here must not see that.

What runs with the patches is tested in tests/e2e/stack/test_loadtest.py, in processes of its own.
"""

import pytest

with pytest.MonkeyPatch.context() as environment:
    environment.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")
    import locust  # noqa: F401
