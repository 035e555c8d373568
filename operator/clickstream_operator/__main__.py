"""Starts the operator: `python -m clickstream_operator`."""

import argparse
import asyncio
import json
import logging
import sys
from importlib.metadata import version

import kopf

from clickstream_operator.replica.kopf_handlers import registry_of
from clickstream_operator.settings import SETTINGS, InvalidSettings, Settings, read_settings


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def main() -> int:
    """Run until SIGTERM or SIGINT; return the exit status."""
    _parser().parse_args()
    try:
        settings = read_settings()
    except InvalidSettings as invalid:
        print(invalid, file=sys.stderr)
        return 2
    _log(settings)
    asyncio.run(
        kopf.operator(
            registry=registry_of(settings),
            namespaces=settings.namespaces,
            clusterwide=not settings.namespaces,
            standalone=True,
        )
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    width = max(len(setting.name) for setting in SETTINGS)
    lines = [f"  {s.name:<{width}}  {s.meaning}{f' [{s.default}]' if s.default else ''}" for s in SETTINGS]
    parser = argparse.ArgumentParser(
        prog="python -m clickstream_operator",
        description="The clickstream operator. All it is told stands in the environment.",
        epilog="environment:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=version("clickstream-operator"))
    return parser


def _log(settings: Settings) -> None:
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(_JsonLines() if settings.log_format == "json" else plain)
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)


if __name__ == "__main__":
    sys.exit(main())
