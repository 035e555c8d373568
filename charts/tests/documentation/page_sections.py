"""Sections of a page, and the tables in them."""

import re


def section(text: str, title: str) -> str:
    """Return what stands under a title, up to the next title of any depth."""
    (found,) = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)


def rows(text: str, title: str) -> list[list[str]]:
    """Return the cells of the table under a title, without its head."""
    lines = [line for line in section(text, title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
