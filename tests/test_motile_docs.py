"""docs/motile.md: what its programs print is what stands below them."""

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "motile.md"


def test_the_programs_print_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    found = re.findall(r"^```python\n(.*?)^```\n\n((?:    [^\n]*\n)+)", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(found) == 2
    for program, wanted in found:
        exec(compile(program, PAGE.name, "exec"), {})
        assert capsys.readouterr().out.splitlines() == [line.strip() for line in wanted.splitlines()]
