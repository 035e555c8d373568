"""Write the reference pages: `python -m charts.reference`."""

from charts.reference.pages import ROOT, made_pages


def main() -> None:
    """Write each page and name it."""
    for path, text in made_pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
