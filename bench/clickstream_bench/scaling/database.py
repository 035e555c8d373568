"""What a PostgreSQL server has done: processor time of its processes, and statements by who sent them."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from clickstream_local.parts.postgres import Postgres

_ACTIVITY = """
SELECT xact_commit, tup_returned + tup_fetched, tup_inserted + tup_updated + tup_deleted
FROM pg_stat_database WHERE datname = %s
"""
_STATEMENTS = """
SELECT r.rolname, s.query, s.calls FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid
JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = %s
"""


@dataclass(frozen=True, slots=True)
class Work:
    """What was done up to a moment, or between two."""

    cpu_s: float
    commits: int
    rows_read: int
    rows_written: int
    statements: Counter[tuple[str, str]]  # (role, text) -> calls

    def since(self, before: "Work") -> "Work":
        """Return what was done since an earlier moment."""
        return Work(
            self.cpu_s - before.cpu_s,
            self.commits - before.commits,
            self.rows_read - before.rows_read,
            self.rows_written - before.rows_written,
            self.statements - before.statements,
        )

    def document(self, role: str) -> dict[str, Any]:
        """Return the figures; those of one role's statements apart, with what it asked."""
        asked = {text: calls for (who, text), calls in self.statements.items() if who == role}
        return {
            "cpu_s": round(self.cpu_s, 2),
            "commits": self.commits,
            "rows_read": self.rows_read,
            "rows_written": self.rows_written,
            "statements": self.statements.total(),
            "statements_of_pipeline": sum(asked.values()),
            "asked": asked,
        }


class Watch:
    """Looks at one database of a running server, from another one: its own looks are not in the figures."""

    def __init__(self, server: Postgres, folder: Path, database: str) -> None:
        self._server = server
        self._pid_file = folder / "postgres" / "postmaster.pid"
        self._database = database

    def prepare(self) -> None:
        """Let the server count statements; it is started again for that."""
        self._server.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        self._server.restart()
        self._server.execute("CREATE EXTENSION pg_stat_statements")

    def work(self) -> Work:
        """Return what was done until now."""
        with self._server.connect() as connection:
            activity = connection.execute(_ACTIVITY, [self._database]).fetchone() or (0, 0, 0)
            commits, read, written = map(int, activity)
            statements: Counter[tuple[str, str]] = Counter()
            for role, text, calls in connection.execute(_STATEMENTS, [self._database]):
                statements[role, " ".join(text.split())] += calls
        return Work(self._cpu_s(), commits, read, written, statements)

    def _cpu_s(self) -> float:
        """Return the processor time of the server's processes, with those that ended."""
        server = psutil.Process(int(self._pid_file.read_text().split()[0]))
        times = server.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in server.children(recursive=True):
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return float(total)
