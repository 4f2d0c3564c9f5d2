"""The pages as files: what they may do, and who gets them."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx
import pytest
from starlette.testclient import TestClient

from gptasr_subs.server.app import create_app
from gptasr_subs.server.page.pages import STATIC
from gptasr_subs.server.settings import Settings
from tests.support.fake_recognizer import FakeRecognizer

KEY = "a-key-of-more-than-sixteen"
HTML = {"accept": "text/html"}


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    """A browser before a server that needs a key."""
    folder = tmp_path_factory.mktemp("guarded")
    monkeypatch.setenv("GPTASR_SUBS_CACHE", str(folder / "cache"))
    monkeypatch.setenv("GPTASR_SUBS_DATA", str(folder / "data"))
    app = create_app(Settings("0.0.0.0", keys=(KEY,)), FakeRecognizer)
    with TestClient(app, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/films/7", "/sign-in", "/static/films.js"])
def test_a_strict_policy(guarded: httpx.Client, path: str) -> None:
    guarded.cookies.set("gptasr_subs_key", KEY)
    headers = guarded.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"


def test_a_key_is_asked_for_and_kept(guarded: httpx.Client) -> None:
    away = guarded.get("/films/7", headers=HTML)
    assert (away.status_code, away.headers["location"]) == (303, "../sign-in?film=7")
    assert guarded.get("/", headers=HTML).headers["location"] == "sign-in"
    assert guarded.get("/static/base.css").status_code == 200
    wrong = guarded.post("/sign-in?film=7", data={"key": "no"})
    assert wrong.status_code == 401 and "not the key" in wrong.text
    right = guarded.post("/sign-in?film=7", data={"key": KEY})
    assert (right.status_code, right.headers["location"]) == (303, "films/7")
    assert "HttpOnly" in right.headers["set-cookie"] and "strict" in right.headers["set-cookie"]
    assert guarded.get("/films/7", headers=HTML).status_code == 200


@pytest.mark.parametrize("path", ["/jobs", "/jobs/1/document", "/films/7x"])
def test_only_pages_lead_to_the_sign_in(guarded: httpx.Client, path: str) -> None:
    assert guarded.get(path, headers=HTML).status_code == 401


def test_other_sites_change_nothing(guarded: httpx.Client) -> None:
    guarded.cookies.set("gptasr_subs_key", KEY)
    elsewhere = {"sec-fetch-site": "cross-site"}
    assert guarded.post("/jobs", json={}, headers=elsewhere).status_code == 403
    assert guarded.get("/jobs", headers=elsewhere).status_code == 200


class _Addresses(HTMLParser):
    """The addresses in a page, and its scripts and styles that are written into it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        facts = dict(attributes)
        self.found += [value for name in ("href", "src") if (value := facts.get(name))]
        self.inline += [name for name in facts if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in facts):
            self.inline.append(tag)


@pytest.mark.parametrize("page", sorted(STATIC.glob("*.html")), ids=lambda path: path.name)
def test_pages_name_files_that_are_there(page) -> None:  # type: ignore[no-untyped-def]
    parser = _Addresses()
    parser.feed(page.read_text())
    files = [re.sub("#.*", "", address) for address in parser.found if "static/" in address]
    assert files and all((STATIC / name.rpartition("static/")[2]).is_file() for name in files)
    assert not any(address.startswith(("http", "//", "/")) for address in parser.found)
    assert parser.inline == []


def test_modules_are_short_and_ask_nobody_else() -> None:
    for module in STATIC.glob("*.js"):
        text = module.read_text()
        assert len(text.splitlines()) < 400, module.name
        assert set(re.findall(r"https?://[^\"'` ]+", text)) <= {"http://www.w3.org/2000/svg"}
        for name in imports(module.name):
            assert (STATIC / name).is_file(), f"{module.name} imports {name}"


def test_the_editor_asks_for_all_it_needs_at_once(guarded: httpx.Client) -> None:
    page = (STATIC / "film.html").read_text()
    modules = {"film.js"}
    while new := {name for module in modules for name in imports(module)} - modules:
        modules |= new
    early = re.findall(r'<link rel="modulepreload" href="\.\./static/([^"]+)">', page)
    assert {*early, "film.js"} == modules and len(early) == len(modules) - 1
    guarded.cookies.set("gptasr_subs_key", KEY)
    assert "<../jobs/7/document>; rel=preload" in guarded.get("/films/7").headers["link"]


def imports(module: str) -> list[str]:
    """The modules that a module imports."""
    return re.findall(r"from \"\./([^\"]+)\"", (STATIC / module).read_text())
