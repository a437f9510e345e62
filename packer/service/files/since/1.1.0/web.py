"""The web part: a page that says what it is told of Consul and etcd, and `/health`, which asks both. `web.py ROOT ADDRESS`."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

PORT, LIMIT_S = 8080, 1.0
ROOT, ADDRESS = Path(sys.argv[1] or "/"), sys.argv[2]
CONFIG = json.loads((ROOT / "etc/service/web.json").read_text())
VERSION = (ROOT / "etc/image-version").read_text().strip()
OPENER = build_opener(ProxyHandler({}))


def first(urls, path):
    """Return the first answer of these servers that says something, or None: one of them may be away for its upgrade."""
    for url in urls:
        try:
            with OPENER.open(url + path, timeout=LIMIT_S) as answer:
                said = json.load(answer)
        except (OSError, ValueError):
            continue
        if said:
            return said
    return None


def health():
    """Return what the page `/health` says and whether both services were reached."""
    leader, etcd = first(CONFIG["consul"], "/v1/status/leader"), first(CONFIG["etcd"], "/version")
    return {"consul": leader, "etcd": etcd}, bool(leader and etcd)


class Page(BaseHTTPRequestHandler):
    """Answers GET `/` and GET `/health`."""

    def do_GET(self):
        """Answer in JSON: 200, 503 where a service isn't reached, 404 for any other page."""
        told, well = {"version": VERSION, **CONFIG}, True
        if self.path == "/health":
            told, well = health()
        self.send_response(200 if well and self.path in ("/", "/health") else 404 if well else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(json.dumps(told).encode() + b"\n")

    def log_message(self, *_):
        """Say nothing of each request: gates ask every second."""


ThreadingHTTPServer((ADDRESS, PORT), Page).serve_forever()
