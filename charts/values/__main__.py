"""Write the files that are made from values.schema.yaml: `python -m charts.values`."""

from charts.values.files import CHART, made_files


def main() -> None:
    """Write each file and name it."""
    for path, text in made_files().items():
        path.write_text(text)
        print(path.relative_to(CHART.parent.parent))


if __name__ == "__main__":
    main()
