"""A small Hugging Face Hub on this machine: the routes that huggingface_hub 2.4 calls, over HTTP.

Written after recorded traffic. As on the real Hub, large files live in LFS behind a redirect to
another host, and error codes come in ``X-Error-Code``. Faults can be switched on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

LARGE = (".safetensors", ".parquet")
OWNER, STRANGER = "hf_owner", "hf_stranger"
TOKENS = {OWNER: "alice", STRANGER: "bob"}


@dataclass
class Repo:
    """A repository: branches point to commits, commits hold files."""

    private: bool
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        """Add a commit on top of a branch and return its id."""
        before = self.commits.get(self.branches.get(branch, ""), {})
        sha = hashlib.sha1(f"{branch}{len(self.commits)}{time.time_ns()}".encode()).hexdigest()
        self.commits[sha] = {**before, **files}
        self.branches[branch] = sha
        return sha


class RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.response = JSONResponse(
            {"error": message or code}, status, {"X-Error-Code": code, "X-Error-Message": message}
        )


def git_oid(content: bytes) -> str:
    """Return git's id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class HubServer:
    """The server; use as a context manager. Tests may look into it and break it."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.fault = ""
        """"", "broken" (500 everywhere), "cut", "forged" (bodies) or "huge" (listed sizes)."""
        self.drops: dict[str, int] = {}
        """LFS object -> how often its transfer still breaks off halfway, the connection reset."""
        self.ranges: list[str] = []
        """Every Range header that came with a download."""
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(self._app(), log_level="critical", lifespan="off")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],), daemon=True)

    def __enter__(self) -> HubServer:
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.server.should_exit = True
        self.thread.join(timeout=5)
        self.socket.close()

    def _app(self) -> Starlette:
        model, repo = "/api/models/{owner}/{name}", "/{owner}/{name}"
        routes = {
            "POST /api/repos/create": self.create,
            "POST /api/validate-yaml": self.validate_yaml,
            f"GET {model}": self.info,
            f"GET {model}/revision/{{revision}}": self.info,
            f"GET {model}/tree/{{revision}}": self.tree,
            f"POST {model}/branch/{{revision}}": self.branch,
            f"POST {model}/preupload/{{revision}}": self.preupload,
            f"POST {model}/commit/{{revision}}": self.commit,
            f"POST {repo}.git/info/lfs/objects/batch": self.lfs_batch,
            "PUT /lfs/{oid}": self.lfs_put,
            "GET /lfs/{oid}": self.lfs_get,
            f"GET {repo}/resolve/{{revision}}/{{path:path}}": self.resolve,
        }
        listed = [
            Route(path, self._answering(handler), methods=[verb])
            for verb, path in (key.split() for key in routes)
            for handler in [routes[f"{verb} {path}"]]
        ]
        return Starlette(routes=listed)

    def _answering(self, handler):  # type: ignore[no-untyped-def]
        async def endpoint(request: Request) -> Response:
            self.requests.append(f"{request.method} {request.url.path}")
            if self.fault == "broken":
                return JSONResponse({"error": "broken"}, 500)
            try:
                return await handler(request)
            except RefusedError as refused:
                return refused.response

        return endpoint

    def _user(self, request: Request) -> str | None:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if given and given not in TOKENS:
            raise RefusedError(401, "", "Invalid credentials in Authorization header")
        return TOKENS.get(given)

    def _repo(self, request: Request, write: bool = False) -> tuple[str, Repo]:
        name = f"{request.path_params['owner']}/{request.path_params['name']}"
        user, repo = self._user(request), self.repos.get(name)
        mine = user == request.path_params["owner"]
        if repo is None or (repo.private and not mine):
            raise RefusedError(404 if user else 401, "RepoNotFound", "Repository not found")
        if write and not mine:
            raise RefusedError(403 if user else 401, "", "You don't have the rights")
        return name, repo

    def _files(self, request: Request, repo: Repo) -> tuple[str, dict[str, bytes]]:
        revision = request.path_params.get("revision", "main")
        sha = repo.branches.get(revision, revision)
        if sha not in repo.commits and repo.commits:
            raise RefusedError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        return sha, repo.commits.get(sha, {})

    def _entry(self, content: bytes, path: str) -> dict[str, object]:
        size = 5_000_000_000 if self.fault == "huge" else len(content)
        entry: dict[str, object] = {"size": size, "blobId": git_oid(content)}
        if path.endswith(LARGE):
            sha = hashlib.sha256(content).hexdigest()
            entry["lfs"] = {"sha256": sha, "oid": sha, "size": size, "pointerSize": 134}
        return entry

    async def create(self, request: Request) -> Response:
        asked = await request.json()
        user = self._user(request)
        owner = asked.get("organization") or user
        name = f"{owner}/{asked['name']}"
        if user is None or owner != user:
            raise RefusedError(403 if user else 401, "", "You don't have the rights to create this")
        if name in self.repos:
            return JSONResponse({"error": "exists", "url": f"{self.endpoint}/{name}"}, 409)
        self.repos[name] = Repo(asked.get("visibility") == "private")
        return JSONResponse({"url": f"{self.endpoint}/{name}"})

    async def validate_yaml(self, request: Request) -> Response:
        return JSONResponse({"errors": [], "warnings": []})

    async def info(self, request: Request) -> Response:
        name, repo = self._repo(request)
        sha, files = self._files(request, repo)
        siblings = [{"rfilename": path, **self._entry(c, path)} for path, c in files.items()]
        return JSONResponse({"id": name, "sha": sha, "private": repo.private, "siblings": siblings})

    async def tree(self, request: Request) -> Response:
        _, files = self._files(request, self._repo(request)[1])
        listed = []
        for path, content in files.items():
            entry = self._entry(content, path)
            listed.append({"type": "file", "path": path, "oid": entry.pop("blobId"), **entry})
        return JSONResponse(listed)

    async def branch(self, request: Request) -> Response:
        _, repo = self._repo(request, write=True)
        name = request.path_params["revision"]
        if name in repo.branches:
            return JSONResponse({"error": "exists"}, 409)
        repo.branches[name] = repo.branches.get("main") or repo.commit("main", {})
        return JSONResponse({})

    async def preupload(self, request: Request) -> Response:
        _, files = self._files(request, self._repo(request, write=True)[1])
        answers = []
        for asked in (await request.json())["files"]:
            path = asked["path"]
            large = path.endswith(LARGE)
            oid = None
            if path in files:
                oid = hashlib.sha256(files[path]).hexdigest() if large else git_oid(files[path])
            mode = "lfs" if large else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return JSONResponse({"files": answers})

    async def lfs_batch(self, request: Request) -> Response:
        self._repo(request, write=True)
        objects = []
        for asked in (await request.json())["objects"]:
            answer = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in self.blobs:
                answer["actions"] = {"upload": {"href": f"{self.endpoint}/lfs/{asked['oid']}"}}
            objects.append(answer)
        return JSONResponse({"transfer": "basic", "objects": objects})

    async def lfs_put(self, request: Request) -> Response:
        if self._drops(request):
            await request.receive()  # the first piece of the body
            request.receive.__self__.transport.abort()  # type: ignore[attr-defined]  # uvicorn's
            return Response()
        content = await request.body()
        if hashlib.sha256(content).hexdigest() != request.path_params["oid"]:
            raise RefusedError(400, "", "hash mismatch")
        self.blobs[request.path_params["oid"]] = content
        return Response()

    async def commit(self, request: Request) -> Response:
        name, repo = self._repo(request, write=True)
        files: dict[str, bytes] = {}
        for line in (await request.body()).splitlines():
            item = json.loads(line)
            value = item["value"]
            if item["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif item["key"] == "lfsFile":
                files[value["path"]] = self.blobs[value["oid"]]
        sha = repo.commit(request.path_params["revision"], files)
        return JSONResponse(
            {"success": True, "commitOid": sha, "commitUrl": f"{self.endpoint}/{name}/commit/{sha}"}
        )

    async def resolve(self, request: Request) -> Response:
        sha, files = self._files(request, self._repo(request)[1])
        path = request.path_params["path"]
        if path not in files:
            raise RefusedError(404, "EntryNotFound", "Entry not found")
        content, head = files[path], {"X-Repo-Commit": sha}
        if not path.endswith(LARGE):
            return self._body(content, head | {"ETag": f'"{git_oid(content)}"'})
        oid = hashlib.sha256(content).hexdigest()
        head |= {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(content))}
        # Another host, as on the Hub: redirects within one host would be followed silently.
        return RedirectResponse(f"http://localhost:{self.port}/lfs/{oid}", 302, head)

    async def lfs_get(self, request: Request) -> Response:
        content, asked = self.blobs[request.path_params["oid"]], request.headers.get("range")
        if asked and not self.fault:
            self.ranges.append(asked)
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            told = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"}
            return Response(content[first:], 206, told)
        return self._body(content, {}, cut=self._drops(request))

    def _drops(self, request: Request) -> bool:
        oid: str = request.path_params["oid"]
        left = self.drops.get(oid, 0)
        self.drops[oid] = max(0, left - 1)
        return left > 0

    def _body(self, content: bytes, head: dict[str, str], cut: bool = False) -> Response:
        if self.fault == "forged":
            content = bytes(255 - byte for byte in content)
        if cut or self.fault == "cut":
            head = head | {"Content-Length": str(len(content))}
            return StreamingResponse(iter([content[: len(content) // 2]]), headers=head)
        return Response(content, headers=head, media_type="application/octet-stream")
