"""The source: table public.user_profiles, the pipeline's role and publication, and a writer of changes."""

import random
import threading
from collections.abc import Sequence
from importlib.resources import files
from typing import Protocol

import psycopg
from psycopg import sql

from clickstream_local.load.profiles import TIERS, Profile, make_profile
from clickstream_local.parts.postgres import Postgres

_UPSERT = """
INSERT INTO public.user_profiles (user_id, name, email, country, plan_tier)
VALUES (%(user_id)s, %(name)s, %(email)s, %(country)s, %(plan_tier)s)
ON CONFLICT (user_id) DO UPDATE SET name = EXCLUDED.name, email = EXCLUDED.email,
  country = EXCLUDED.country, plan_tier = EXCLUDED.plan_tier
"""


class Profiles(Protocol):
    """Where profiles are written, so that they come into the pipeline."""

    def put(self, profile: Profile) -> None:
        """Insert a row, or change the one with this user_id."""

    def delete(self, user_id: str) -> None:
        """Delete a row."""


class ProfileTable:
    """The table, through one connection of its own."""

    def __init__(self, postgres: Postgres, database: str) -> None:
        self._postgres = postgres
        self.database = database

    def prepare(self, role: str, password: str, publication: str, profiles: Sequence[Profile]) -> None:
        """Make database, table, rows, role and publication; what exists stays."""
        with self._postgres.connect() as server:
            known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.database]).fetchone()
            if not known:
                server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.database)))
        with self._postgres.connect(self.database) as here:
            here.execute(files("clickstream_local.pipeline").joinpath("database.sql").read_bytes())
            _grant(here, role, password, publication)
            if not here.execute("SELECT 1 FROM public.user_profiles LIMIT 1").fetchone():
                columns = "user_id, name, email, country, plan_tier"
                with here.cursor().copy(f"COPY public.user_profiles ({columns}) FROM STDIN") as copy:
                    for profile in profiles:
                        copy.write_row(list(profile.row().values()))

    def put(self, profile: Profile) -> None:
        """Insert a row, or change the one with this user_id."""
        with self._postgres.connect(self.database) as here:
            here.execute(_UPSERT, profile.row())

    def delete(self, user_id: str) -> None:
        """Delete a row."""
        with self._postgres.connect(self.database) as here:
            here.execute("DELETE FROM public.user_profiles WHERE user_id = %s", [user_id])


def _grant(here: psycopg.Connection, role: str, password: str, publication: str) -> None:
    name, topic = sql.Identifier(role), sql.Identifier(publication)
    if not here.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
        create = "CREATE ROLE {} LOGIN REPLICATION PASSWORD {}"
        here.execute(sql.SQL(create).format(name, sql.Literal(password)))
    here.execute(sql.SQL("GRANT SELECT ON public.user_profiles TO {}").format(name))
    if not here.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", [publication]).fetchone():
        here.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE public.user_profiles").format(topic))


class Writer:
    """Changes rows while the pipeline runs: mostly updates, some inserts, some deletes."""

    def __init__(self, table: Profiles, profiles: int, changes_per_s: float, seed: int = 1) -> None:
        self._table = table
        self._known = profiles
        self._pause_s = 1 / changes_per_s
        self._chance = random.Random(seed)  # noqa: S311 (test data)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="profile-writer", daemon=True)
        self.changes = 0

    def start(self) -> None:
        """Begin to write in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the last change."""
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(self._pause_s):
            try:
                self._change()
            except psycopg.OperationalError:  # the server restarts: the next change will do
                continue

    def _change(self) -> None:
        dice = self._chance.random()
        if dice < 0.1:
            self._table.put(make_profile(self._known))
            self._known += 1
        elif dice < 0.2:
            # Not Alice, whom the README asks for; one who comes back with a later update.
            self._table.delete(make_profile(self._chance.randrange(100, self._known)).user_id)
        else:
            row = make_profile(self._chance.randrange(1, self._known)).row()
            self._table.put(Profile(**{**row, "plan_tier": self._chance.choice(TIERS)}))
        self.changes += 1
