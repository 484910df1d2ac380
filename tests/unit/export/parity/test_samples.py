from pathlib import Path

from tokenizers import Tokenizer

from export.parity.samples import sample_queries

TOKENIZER = Tokenizer.from_file(str(Path(__file__).parents[4] / "bundles/default/tokenizer.json"))


def test_the_samples_cover_every_length_up_to_far_over_the_usual_limits() -> None:
    queries = sample_queries()
    lengths = sorted(len(encoding.ids) for encoding in TOKENIZER.encode_batch(queries))
    assert len(set(queries)) == len(queries) >= 200
    assert lengths[0] <= 3
    assert lengths[-1] > 2_000
    for low, high in ((0, 16), (16, 32), (32, 64), (64, 128), (128, 512)):
        assert sum(low < length <= high for length in lengths) >= 5


def test_the_samples_are_in_many_scripts() -> None:
    text = "".join(sample_queries())
    for word in ("中国", "日本", "Почему", "भारत", "ישראל", "عاصمة", "서울", "ต้ม", "φωτοσύνθεση", "Türkiye", "🚀"):
        assert word in text
