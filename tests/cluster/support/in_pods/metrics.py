"""The gateway's metrics, from inside its pod: nobody but Prometheus reaches them from outside."""

from urllib.request import urlopen

if __name__ == "__main__":
    print(urlopen("http://localhost:9464/metrics", timeout=10).read().decode())
