"""A chat in OpenAI's form as the contract's messages. Whatever is not of that form is refused by name."""

from collections.abc import Iterator, Mapping, Sequence

from routerdc_contract.v1 import router_pb2 as pb

CONVERT = "convert the text to UTF-8 first, for example with `iconv -f latin1 -t utf-8`"


def text(field: str, value: object) -> str:
    """`value`, if it is text that can be sent.

    Raises:
        TypeError: it is no string; the message begins with `field`.
        ValueError: it holds half of a surrogate pair, as text that was decoded wrongly does.
    """
    if not isinstance(value, str):
        raise TypeError(f"{field}: must be a string, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{field}: is not valid Unicode at character {error.start}: {CONVERT}") from None
    return value


def chat(messages: Sequence[Mapping[str, object]]) -> pb.ChatMessages:
    """The messages of a chat; the content of each is a string, a list or tuple of parts, or None.

    Raises:
        TypeError: a message or its content has another type; the message names which.
        ValueError: a text is not valid Unicode.
    """
    if isinstance(messages, str | Mapping) or not isinstance(messages, Sequence):
        raise TypeError(f"messages: must be a list of messages, not {type(messages).__name__}")
    return pb.ChatMessages(messages=[_message(f"messages[{n}]", message) for n, message in enumerate(messages)])


def _message(field: str, message: object) -> pb.ChatMessage:
    if not isinstance(message, Mapping):
        raise TypeError(f"{field}: must be a mapping, not {type(message).__name__}; objects have model_dump()")
    role, content = text(f"{field}.role", message.get("role")), message.get("content")
    if content is None or isinstance(content, str):
        return pb.ChatMessage(role=role, content=text(f"{field}.content", content or ""))
    if isinstance(content, list | tuple):
        return pb.ChatMessage(role=role, parts=_parts(f"{field}.content", content))
    raise TypeError(f"{field}.content: must be a string, a list of parts or None, not {type(content).__name__}")


def _parts(field: str, parts: Sequence[object]) -> Iterator[pb.ContentPart]:
    for index, part in enumerate(parts):
        name = f"{field}[{index}]"
        if isinstance(part, str):
            yield pb.ContentPart(type="text", text=text(name, part))
        elif isinstance(part, Mapping):
            kind, words = text(f"{name}.type", part.get("type")), part.get("text")
            # Of an image or a sound only its type travels: its data stay with the caller.
            yield pb.ContentPart(type=kind, text=text(f"{name}.text", words) if kind == "text" or words else "")
        else:
            raise TypeError(f"{name}: must be a part such as {{'type': 'text', 'text': …}}, not {type(part).__name__}")
