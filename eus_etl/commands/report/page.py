"""The page as one file: style and script stand in it, and its policy lets nothing else be loaded or run."""

import base64
import hashlib
from datetime import datetime
from importlib import metadata
from pathlib import Path

from eus_etl.commands.report.facts import StudyFacts
from eus_etl.commands.report.markup import Markup, element, join
from eus_etl.commands.report.sections import Section, sections, tiles

_FOLDER = Path(__file__).parent


def report_page(facts: StudyFacts, made_at: datetime) -> bytes:
    """The report in HTML. The same facts and time give the same bytes.

    The policy names style and script by their hash: markup that slipped in from outside could neither run nor
    load anything.
    """
    style = Markup(_FOLDER.joinpath("page.css").read_text(encoding="utf-8"))
    script = Markup(_FOLDER.joinpath("page.js").read_text(encoding="utf-8"))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_hashed(style)}'; script-src '{_hashed(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = sections(facts)
    title = f"{facts.study.title}: report"
    head = element(
        "head",
        element("meta", charset="utf-8"),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>'),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", style),
    )
    links = [element("a", part.title, href=f"#{part.anchor}") for part in parts]
    said = f"Study {facts.study.study}, {made_at:%Y-%m-%d %H:%M}, eus-etl {metadata.version('eus-etl')}"
    body = element(
        "body",
        element("header", element("h1", facts.study.title), element("p", said), tiles(facts)),
        element("nav", element("div", *links), aria_label="sections"),
        element("main", *map(_section, parts)),
        element(
            "footer",
            "Pictures are masked and checked, not anonymized. This page names visits by id and alias: "
            "it is for use inside the hospital.",
        ),
        element("script", script),
    )
    page = join([Markup("<!doctype html>\n"), element("html", head, body, lang="en")])
    return f"{page}\n".encode()


def _section(part: Section) -> Markup:
    return element(
        "section",
        element("h2", part.title),
        element("p", part.lead, class_="lead"),
        part.content,
        id=part.anchor,
    )


def _hashed(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
