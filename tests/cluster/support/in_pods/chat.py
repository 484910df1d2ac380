"""HOST PORT QUESTION: a chat completion of the model `auto`, as JSON."""

import json
import sys
from http.client import HTTPConnection

if __name__ == "__main__":
    host, port, question = sys.argv[1:]
    connection = HTTPConnection(host, int(port), timeout=30)
    body = {"model": "auto", "messages": [{"role": "user", "content": question}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    content = json.load(answer)["choices"][0]["message"]["content"]
    print(json.dumps({"status": answer.status, "llm": answer.headers["x-routerdc-llm"], "content": content}))
