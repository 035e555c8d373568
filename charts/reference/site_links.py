"""Links that leave docs/, for the site: a hook of MkDocs, which knows no file outside of docs/.

On a page, `../../charts/README.md` leads to the file in the repository. In the site it leads to the same file
under `repo_url`, and an image is copied. A link to a folder of docs/ leads to the folder's README, if there
is one. A link to what is not there is a warning, so a strict build fails.
"""

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

log = logging.getLogger("mkdocs.hooks.site_links")

_LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def outside(page: str, target: str) -> str | None:
    """Return the path, from the repository's root, of a link that no page of the site answers; else None."""
    path = target.partition("#")[0]
    if not path or "://" in target or target.startswith(("/", "mailto:")):
        return None
    found = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), path))
    is_page = found.startswith("docs/") and not path.endswith("/")
    return None if is_page else found


def links_outside(page: str, text: str) -> list[tuple[re.Match[str], str]]:
    """Return each such link of a page, with its path; code blocks have none."""
    fences = [match.span() for match in _FENCE.finditer(text)]
    links = [link for link in _LINK.finditer(text) if not any(a <= link.start() < b for a, b in fences)]
    return [(link, path) for link in links if (path := outside(page, link["target"]))]


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return the page's text with its links that leave docs/ rewritten."""
    root, here = Path(config.config_file_path).parent, posixpath.dirname(page.file.src_uri) or "."
    base = f"{config.repo_url.rstrip('/')}/{config.extra['source_path']}"
    for link, path in reversed(links_outside(page.file.src_uri, markdown)):
        index = f"{path.removeprefix('docs').lstrip('/')}/README.md".lstrip("/")
        anchor = link["target"][len(link["target"].partition("#")[0]) :]
        target = f"{base}/{path}{anchor}"
        if not (root / path).exists():
            log.warning("%s: %s is not in the repository", page.file.src_uri, path)
            continue
        if link["image"]:
            if files.get_file_from_path(path) is None:
                files.append(type(page.file).generated(config, path, abs_src_path=str(root / path)))
            target = posixpath.relpath(path, here)
        elif path.startswith("docs") and files.get_file_from_path(index):
            target = posixpath.relpath(index, here)
        new = f"{link['image']}[{link['text']}]({target})"
        markdown = markdown[: link.start()] + new + markdown[link.end() :]
    return markdown
