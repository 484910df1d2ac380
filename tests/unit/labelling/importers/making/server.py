"""The stand-ins, and beside them LLMs whose answers are cut, filtered or refused: `python server.py PORT`.

They answer at /cut/v1, /filtered/v1 and /failing/v1, so that the files of other programs hold such answers, too.
"""

import sys
from collections.abc import Awaitable, Callable

from aiohttp import web

from labelling.standins.server import StandIns

ENDS = {"cut": "length", "filtered": "content_filter"}


@web.middleware
async def unlike(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answers for the LLMs that the stand-ins do not know."""
    llm = request.match_info.get("llm", "")
    if llm == "failing":
        return web.json_response({"error": {"message": "told to fail", "type": "invalid_request_error"}}, status=400)
    if llm not in ENDS:
        return await handler(request)
    choice = {"index": 0, "message": {"role": "assistant", "content": "The answer"}, "finish_reason": ENDS[llm]}
    usage = {"prompt_tokens": 14, "completion_tokens": 3, "total_tokens": 17}
    body = {"id": "stand-in", "object": "chat.completion", "created": 0, "model": llm}
    return web.json_response({**body, "choices": [choice], "usage": usage})


if __name__ == "__main__":
    application = StandIns().application()
    application.middlewares.append(unlike)
    web.run_app(application, host="127.0.0.1", port=int(sys.argv[1]))
