"""A stand-in for the Hugging Face hub on loopback: models, commits and LFS, as its client asks."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.support.file_server import serving

COMMIT = "c0ffee" + 34 * "0"


@dataclass
class Hub:
    """``models`` are the files of each; ``gated`` ones ask for consent; ``stored`` is its LFS."""

    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    stored: dict[str, bytes] = field(default_factory=dict)
    tokens: set[str | None] = field(default_factory=set)
    address: str = ""


@contextmanager
def serve_hub(hub: Hub) -> Iterator[Hub]:
    """Serve until the block ends; ``hub.address`` is the value of HF_ENDPOINT."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._file(with_body=False)

        def do_GET(self) -> None:
            self._file(with_body=True)

        def do_PUT(self) -> None:
            hub.stored[self.path.rpartition("/")[2]] = self._body()
            self._answer(200, b"")

        def do_POST(self) -> None:
            hub.tokens.add(self.headers.get("Authorization"))
            body = self._body()
            if self.path == "/api/repos/create":
                self._create(json.loads(body))
            elif self.path == "/api/validate-yaml":
                self._json({"errors": [], "warnings": []})
            elif self.path.endswith("/preupload/main"):
                files = json.loads(body)["files"]
                self._json({"files": [_upload_mode(file["path"]) for file in files]})
            elif self.path.endswith("/info/lfs/objects/batch"):
                self._json({"objects": [self._place(each) for each in json.loads(body)["objects"]]})
            elif found := re.fullmatch(r"/api/models/(.+)/commit/main", self.path):
                self._commit(found[1], body)
            else:
                self.send_error(404)

        def _create(self, wanted: dict[str, Any]) -> None:
            name = f"{wanted['organization']}/{wanted['name']}"
            code = 409 if name in hub.models else 200
            hub.models.setdefault(name, {})
            if wanted.get("private") or wanted.get("visibility") == "private":
                hub.private.add(name)
            self._json({"url": f"{hub.address}/{name}"}, code)

        def _place(self, thing: dict[str, Any]) -> dict[str, Any]:
            upload = {"href": f"{hub.address}/lfs/{thing['oid']}", "header": {}}
            return {**thing, "actions": {"upload": upload}}

        def _commit(self, name: str, body: bytes) -> None:
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    hub.models[name][value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    hub.models[name][value["path"]] = hub.stored[value["oid"]]
            url = f"{hub.address}/{name}/commit/{COMMIT}"
            self._json({"commitUrl": url, "commitOid": COMMIT, "pullRequestUrl": None})

        def _file(self, with_body: bool) -> None:
            found = re.fullmatch(r"/([^/]+/[^/]+)/resolve/[^/]+/(.+)", self.path)
            name, path = found.groups() if found else ("", "")
            if name not in hub.models:
                self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            elif name in hub.gated:
                self._answer(403, b"", {"X-Error-Code": "GatedRepo"})
            elif path not in hub.models[name]:
                self._answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            else:
                data = hub.models[name][path]
                tag = hashlib.sha256(data).hexdigest()
                facts = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT}
                self._answer(200, data, facts, with_body=with_body)

        def _json(self, value: Any, code: int = 200) -> None:
            self._answer(code, json.dumps(value).encode(), {"Content-Type": "application/json"})

        def _answer(
            self,
            code: int,
            data: bytes,
            headers: dict[str, str] | None = None,
            with_body: bool = True,
        ) -> None:
            self.send_response(code)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if with_body and self.command != "HEAD":
                self.wfile.write(data)

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(Handler) as hub.address:
        yield hub


def _upload_mode(path: str) -> dict[str, Any]:
    mode = "lfs" if path.endswith(".safetensors") else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": None}
