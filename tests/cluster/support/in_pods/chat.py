"""HOST PORT QUESTION [CA_FILE]: a chat completion of the model `auto`, as JSON; by HTTPS where there is a CA_FILE.

A header names another LLM, as a caller might who wants to choose one past the router.
"""

import json
import ssl
import sys
from http.client import HTTPConnection, HTTPSConnection

if __name__ == "__main__":
    host, port, question, *ca_file = sys.argv[1:]
    if ca_file:
        secure = ssl.create_default_context(cafile=ca_file[0])
        connection: HTTPConnection = HTTPSConnection(host, int(port), timeout=30, context=secure)
    else:
        connection = HTTPConnection(host, int(port), timeout=30)
    body = {"model": "auto", "messages": [{"role": "user", "content": question}]}
    headers = {"content-type": "application/json", "x-routerdc-llm": "a-caller's-choice"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
    answer = connection.getresponse()
    content = json.load(answer)["choices"][0]["message"]["content"]
    print(json.dumps({"status": answer.status, "llm": answer.headers["x-routerdc-llm"], "content": content}))
