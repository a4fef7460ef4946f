"""What Google Cloud Storage answers to the requests that a lake makes, from its documentation alone: no server of it is to be had.

The XML API (https://cloud.google.com/storage/docs/xml-api/overview), as far as: list (version 2), get, head, put with
x-goog-if-generation-match, delete. Nobody is asked who they are. So this shows that a lake speaks to such a store and understands
it, and nothing about the store itself.

Prints one line of JSON: endpoint. Then each line it reads names a bucket, which it makes and prints again. When its input ends it
is gone.
"""

import hashlib
import itertools
import json
import os
import re
import sys
import threading
from datetime import datetime, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000

# Bucket -> name -> object.
buckets = {}
generations = itertools.count(1)
one_at_a_time = threading.Lock()


class Object:
    def __init__(self, content):
        self.content = content
        self.generation = str(next(generations))
        self.time = datetime.now(timezone.utc)
        self.tag = f'"{hashlib.md5(content).hexdigest()}"'

    def headers(self):
        modified = format_datetime(self.time, usegmt=True)
        return {"ETag": self.tag, "x-goog-generation": self.generation, "Last-Modified": modified}


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, content=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def refuse(self, status, code):
        self.answer(status, f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>".encode())

    def meet(self):
        """Every request: finds the bucket and the name, and what lies there."""
        url = urlsplit(self.path)
        bucket, _, name = url.path.lstrip("/").partition("/")
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with one_at_a_time:
            there = buckets.get(unquote(bucket))
            if there is None:
                return self.refuse(404, "NoSuchBucket")
            if not name:
                return self.list(there, parse_qs(url.query))
            name = unquote(name)
            return getattr(self, "on_" + self.command.lower())(there, name, there.get(name), content)

    do_GET = do_HEAD = do_PUT = do_DELETE = meet

    def list(self, there, query):
        prefix, after = (query.get(name, [""])[0] for name in ("prefix", "continuation-token"))
        names = sorted(name for name in there if name.startswith(prefix) and name > after)
        xml = "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>"
        for name in names[:PAGE]:
            found = there[name]
            xml += f"<Contents><Key>{escape(name)}</Key><Size>{len(found.content)}</Size><ETag>{escape(found.tag)}</ETag>"
            xml += f"<LastModified>{found.time.isoformat()}</LastModified></Contents>"
        if len(names) > PAGE:
            xml += f"<NextContinuationToken>{escape(names[PAGE - 1])}</NextContinuationToken>"
        self.answer(200, (xml + "</ListBucketResult>").encode())

    def on_get(self, _there, _name, found, _content):
        if found is None:
            return self.refuse(404, "NoSuchKey")
        if self.headers.get("If-Match", found.tag) != found.tag:
            return self.refuse(412, "PreconditionFailed")
        content, size = found.content, len(found.content)
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return self.answer(200, content, found.headers())
        first, last = asked.groups()
        start = int(first) if first else max(0, size - int(last))
        end = min(size, int(last) + 1) if first and last else size
        if start >= size:
            return self.refuse(416, "InvalidRange")
        span = {"Content-Range": f"bytes {start}-{end - 1}/{size}"}
        return self.answer(206, content[start:end], {**found.headers(), **span})

    on_head = on_get

    def on_put(self, there, name, found, content):
        if self.headers.get("x-goog-if-generation-match") not in (None, found.generation if found else "0"):
            return self.refuse(412, "PreconditionFailed")
        there[name] = Object(content)
        return self.answer(200, headers=there[name].headers())

    def on_delete(self, there, name, found, _content):
        if found is None:
            return self.refuse(404, "NoSuchKey")
        del there[name]
        return self.answer(204)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Conversation)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"endpoint": f"http://127.0.0.1:{server.server_port}"}), flush=True)
for line in sys.stdin:
    buckets[line.strip()] = {}
    print(line.strip(), flush=True)
# Also while a request is still being answered.
os._exit(0)
