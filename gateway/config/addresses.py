"""Addresses of endpoints: base URLs as OpenAI's clients take them. What would be dropped is refused by name."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?", re.IGNORECASE)
_PATH = re.compile(r"[A-Za-z0-9/._~!$&'()*+,;=:@%-]*")
_CALLED = ("/chat/completions", "/completions", "/responses", "/messages")


def checked(address: str) -> str:
    """`address`, where it is a base URL.

    Raises:
        ValueError: it is none; the message says what is wrong and what to write instead.
    """
    url = urlsplit(address)
    if (
        url.scheme not in ("http", "https")
        or not url.hostname
        or not address.isprintable()
        or address != address.strip()
    ):
        raise ValueError("must be a base URL such as http://10.0.0.7:8000/v1")
    _ = url.port  # raises ValueError where it is none
    if problem := _problem(address, url):
        raise ValueError(problem)
    return address


def hint(address: str) -> str | None:
    """What is probably missing in an address that is allowed."""
    if urlsplit(address).path.strip("/"):
        return None
    return f"{address} has no path; servers of OpenAI's API mostly want {address.rstrip('/')}/v1"


def _problem(address: str, url: SplitResult) -> str | None:
    if "@" in url.netloc:
        return "must not hold a user or a password: name the key's place with api_key_env or api_key_file"
    if url.query or "?" in address:
        return (
            "must not have a query (?...), which would not be sent; "
            "Azure needs none under https://NAME.openai.azure.com/openai/v1"
        )
    if url.fragment or "#" in address:
        return "must not have a fragment (#...), which is never sent"
    if not _is_host(url.hostname or ""):
        return f"the host {url.hostname!r} must be a name of letters, digits, '-' and '.', or an IP address"
    if not _PATH.fullmatch(url.path):
        return "the path must be written as in a URL, other characters as %XX"
    if called := next((path for path in _CALLED if url.path.rstrip("/").endswith(path)), None):
        return f"must end before {called}, which is added: {address.rstrip('/').removesuffix(called)}"
    return None


def _is_host(host: str) -> bool:
    try:
        return not getattr(ipaddress.ip_address(host), "scope_id", None)
    except ValueError:
        return _NAME.fullmatch(host) is not None
