"""Write the dashboards' JSON into the chart: `python -m charts.dashboards`."""

from pathlib import Path

from charts.dashboards.catalogue import ALL
from charts.dashboards.panels import build

TARGET = Path(__file__).parent.parent / "clickstream" / "dashboards"


def main() -> None:
    """Write one file a dashboard and remove those that no board makes."""
    TARGET.mkdir(parents=True, exist_ok=True)
    wanted = {f"{board.uid.removeprefix('clickstream-')}.json": build(board) for board in ALL}
    for old in TARGET.glob("*.json"):
        if old.name not in wanted:
            old.unlink()
    for name, text in wanted.items():
        (TARGET / name).write_text(text)
        print(f"{TARGET.name}/{name}")


if __name__ == "__main__":
    main()
