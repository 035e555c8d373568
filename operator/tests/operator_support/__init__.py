"""What the operator's tests share, and the chart's; no tests."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
