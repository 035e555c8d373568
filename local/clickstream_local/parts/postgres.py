"""PostgreSQL with logical decoding, from the distribution's packages, in a folder of its own."""

import signal
import subprocess
from pathlib import Path
from typing import LiteralString

import psycopg

from clickstream_local.machine import tools
from clickstream_local.machine.account import hand_over, unprivileged
from clickstream_local.machine.maven import Say, silent
from clickstream_local.machine.ports import HOST, free_port
from clickstream_local.machine.process import Process
from clickstream_local.parts.part import Part

SUPERUSER = "postgres"


class Postgres(Part):
    """One server. Connections from this machine are trusted; the superuser is `postgres`."""

    def __init__(self, folder: Path, *, port: int | None = None, say: Say = silent) -> None:
        self.port = port or free_port()
        self._data = folder / "postgres"
        self._programs = tools.postgres(say)
        self._account = unprivileged([folder])
        settings = {
            "port": str(self.port),
            "listen_addresses": HOST,
            "unix_socket_directories": "",
            "wal_level": "logical",
            "max_wal_senders": "20",
            "max_replication_slots": "20",
            "shared_buffers": "32MB",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        self._process = Process(
            "PostgreSQL",
            [str(self._programs / "postgres"), "-D", str(self._data), *options],
            log=folder / "postgres.log",
            environment={"LC_ALL": "C.UTF-8"},
            account=self._account,
            stop_signal=signal.SIGINT,  # "fast": does not wait for connections
        )

    def _prepare(self) -> None:
        """Make the data folder when it is new."""
        if not (self._data / "PG_VERSION").exists():
            hand_over(self._data)
            self._data.chmod(0o700)
            options = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
            command = [*self._account, str(self._programs / "initdb"), "-D", str(self._data), *options]
            subprocess.run(command, check=True, capture_output=True)
        # Left behind by a kill; nobody else uses the folder.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def connect(self, database: str = "postgres", user: str = SUPERUSER) -> psycopg.Connection:
        """Return a new connection that commits each statement by itself."""
        return psycopg.connect(host=HOST, port=self.port, dbname=database, user=user, autocommit=True)

    def execute(self, statement: LiteralString, database: str = "postgres") -> None:
        """Run one statement as superuser."""
        with self.connect(database) as connection:
            connection.execute(statement)

    def _is_ready(self) -> bool:
        try:
            with self.connect():
                return True
        except psycopg.OperationalError:
            return False
