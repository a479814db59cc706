"""What HTML pages share: values are data, unknown names are errors, Jinja2 waits for a page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest
from click.testing import CliRunner

import cnnedge
from cnnedge.cli import group
from cnnedge.errors import MissingExtraError
from cnnedge.pages.rendering import Figure, render

TEMPLATES = sorted(Path(cnnedge.__file__).parent.rglob("templates/*.html"))


@pytest.fixture
def page(tmp_path: Path) -> Callable[..., str]:
    def made(template: str, **shown: object) -> str:
        (tmp_path / "page.html").write_text(template, encoding="utf-8")
        return render(tmp_path, "page.html", **shown)

    return made


def test_values_are_data_wherever_they_stand(page: Callable[..., str]) -> None:
    evil = "<b \"'>&\x1b\udcff"
    safe = "&lt;b &#34;&#39;&gt;&amp; ?"
    assert page('<p title="{{ x }}">{{ x }}</p>', x=evil) == f'<p title="{safe}">{safe}</p>'
    macro = "{% macro m(y) %}<i>{{ y }}</i>{% endmacro %}{{ m(x) }}{{ x ~ x }}"
    assert page(macro, x=evil) == f"<i>{safe}</i>{safe}{safe}"
    assert page("{{ x }} {{ y }}", x=None, y=0.5) == "None 0.5"


def test_what_is_not_given_is_an_error(page: Callable[..., str]) -> None:
    for template in ("{{ y }}", "{% if y %}{% endif %}", "{{ x.y }}", "{{ x['y'] }}"):
        with pytest.raises(jinja2.UndefinedError):
            page(template, x={})


def test_only_our_charts_are_taken_as_they_are(page: Callable[..., str]) -> None:
    taken = re.compile(r"\|\s*safe\b|autoescape|Markup")
    unsafe = [p.name for p in TEMPLATES for _ in taken.findall(p.read_text(encoding="utf-8"))]
    assert unsafe == ["figures.html"]
    shown = page(
        '{% from "figures.html" import figures %}{{ figures(x) }}',
        x=[Figure(title="<a>", svg="<svg></svg>", note="<b>")],
    )
    assert "<svg></svg>" in shown and "&lt;a&gt;" in shown and "&lt;b&gt;" in shown


def test_jinja2_waits_for_a_page() -> None:
    modules = (
        "cnnedge.cli.bench.command",
        "cnnedge.bench_report",
        "cnnedge.conversion.report.page",
    )
    code = f"import sys, {', '.join(modules)}; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_jinja2_a_report_is_refused_before_anything_is_timed(
    page: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = CliRunner().invoke(group, ["bench", "none.tflite", "--report", "page.html"])
    assert done.exit_code == 1
    assert done.stderr.strip().endswith("Install it: pip install 'Jinja2>=3.1'")
    with pytest.raises(MissingExtraError):
        page("")
