"""Addresses of endpoints: what would be dropped on the way is refused by name, with the cure."""

import pytest

from gateway.config.addresses import checked, hint


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.7:8000/v1",
        "HTTP://10.0.0.7:8000/v1",
        "https://api.example.com",
        "https://api.example.com/v1/",
        "http://[::1]:8000/v1",
        "http://llm_a.namespace.svc.cluster.local:80/openai/v1",
        "http://xn--bcher-kva.example/v1",
        "http://h/projects/a%2Fb/v1",
    ],
)
def test_base_urls_are_taken(address: str) -> None:
    assert checked(address) == address


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "base URL"),
        ("10.0.0.7:8000/v1", "base URL"),
        ("ftp://h/v1", "base URL"),
        ("http://h/v1 ", "base URL"),
        ("http://h:99999/v1", "Port"),
        ("https://h/openai/deployments/gpt-4o?api-version=2024-10-21", "Azure needs none under"),
        ("https://h/v1?", "query"),
        ("https://h/v1#frag", "fragment"),
        ("https://h/v1#", "fragment"),
        ("https://alice:secret@h/v1", "api_key_env"),
        ("https://alice@h/v1", "api_key_env"),
        ("http://%REQ(x-secret)%/v1", "host"),
        ("http://arn%3Aaws/v1", "host"),
        ("http://bücher.example/v1", "host"),
        ("http://[fe80::1%eth0]/v1", "host"),
        ("http://-a/v1", "host"),
        ("http://h/v 1", "path"),
        ('http://h/v1"', "path"),
        ("http://h/模型", "path"),
        ("https://h/v1/chat/completions", "must end before /chat/completions, which is added: https://h/v1"),
        ("https://h/v1/responses/", "must end before /responses, which is added: https://h/v1"),
    ],
)
def test_others_are_refused_with_the_cure(address: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("(", r"\(")) as caught:
        checked(address)
    assert "secret" not in str(caught.value).replace("x-secret", "")


@pytest.mark.parametrize("address", ["http://h", "http://h/", "https://h:8443"])
def test_address_without_a_path_gives_a_hint(address: str) -> None:
    assert (hint(address) or "").endswith(f"{address.rstrip('/')}/v1")


@pytest.mark.parametrize("address", ["http://h/v1", "http://h/api/paas/v4"])
def test_address_with_a_path_gives_none(address: str) -> None:
    assert hint(address) is None
