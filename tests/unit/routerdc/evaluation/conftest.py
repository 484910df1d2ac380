from tests.support.data.two_subjects import subject, test, train

__all__ = ["subject", "test", "train"]
