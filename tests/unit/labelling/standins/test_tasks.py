"""The stand-ins' tasks."""

from collections import Counter

from labelling.standins.tasks import KINDS, kind_of, prompts, right_answer


def test_as_many_distinct_prompts_as_are_asked_for_and_each_can_be_answered() -> None:
    asked = prompts(6000)
    kinds = Counter(kind for _, kind in asked)
    assert len({text for text, _ in asked}) == 6000
    assert set(kinds) == set(KINDS)
    assert all(kind_of(text) == kind and right_answer(text) for text, kind in asked)


def test_right_answers() -> None:
    assert right_answer("Calculate 17 * 23 + 5.") == "396"
    assert right_answer("What does this Python program print? print(sum(range(4)) - 10)") == "-4"
    assert right_answer("On which day of the week was the date 2000-01-01?") == "Saturday"
    assert right_answer("Translate into German, word by word: old house, tree") == "alt Haus Baum"
    assert right_answer("Spell the letters of these words backwards: magnet copper") == "tengam reppoc"
    assert right_answer("Anything else") is None
