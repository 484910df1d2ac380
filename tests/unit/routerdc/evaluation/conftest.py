from tests.support.data.two_subjects import few_resamples, subject, test, train

__all__ = ["few_resamples", "subject", "test", "train"]
