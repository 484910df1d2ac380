"""HOST PORT PATH CA_FILE: status and content of a GET by HTTPS, as JSON."""

import json
import ssl
import sys
from http.client import HTTPSConnection

if __name__ == "__main__":
    host, port, path, ca_file = sys.argv[1:]
    secure = ssl.create_default_context(cafile=ca_file)
    connection = HTTPSConnection(host, int(port), timeout=30, context=secure)
    connection.request("GET", path)
    answer = connection.getresponse()
    print(json.dumps({"status": answer.status, "content": json.load(answer)}))
