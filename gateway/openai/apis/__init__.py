"""The APIs whose requests are routed, by path: one class for each, which reads what a body asks.

    chat, completions, responses    OpenAI's
    messages                        Anthropic's, and its token count
    ask                             what all of them give: the text to route, the capabilities needed, the size
    content                         messages' contents, whose parts are much alike everywhere

Pure: knows JSON that was parsed, neither HTTP nor LLMs.
"""

from gateway.openai.apis.ask import Api, Ask
from gateway.openai.apis.chat import Chat
from gateway.openai.apis.completions import Completions
from gateway.openai.apis.messages import CountTokens, Messages
from gateway.openai.apis.responses import Responses
from gateway.policy.capabilities import ApiProtocol

APIS: dict[str, Api] = {api.path: api for api in (Chat(), Completions(), Responses(), Messages(), CountTokens())}


def paths(protocol: ApiProtocol) -> list[str]:
    """The paths of the APIs of `protocol`."""
    return [path for path, api in APIS.items() if api.protocol is protocol]


__all__ = ["APIS", "Api", "Ask", "paths"]
