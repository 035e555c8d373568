"""A visitor's clock may be an hour wrong: what an SDK says of its clock puts its clicks where they belong."""

import time
from pathlib import Path

from clickstream_local.parts.kafka import Kafka
from clickstream_local.testing.eventually import eventually
from collector_support.sdk_runs import Run
from collector_support.sdk_table import SDKS

BEHIND_MS = 3_600_000


def test_clock_that_is_behind_moves_no_click(kafka: Kafka, tmp_path: Path) -> None:
    sdks = tuple(sdk for sdk in SDKS if sdk.has_sent_at and sdk.home != "python")
    with Run(kafka, tmp_path, sdks, behind_ms=BEHIND_MS) as run:
        began = time.time() * 1_000
        for each in run.driven:
            each.call_all()
        eventually(run.has_arrived, "all events", every_s=1)
        clicks = run.clicks()
    for each in run.driven:
        for click in clicks[each.user]:
            said = (str(each.sdk), click)
            assert click["sent_at"] < began - BEHIND_MS / 2, said
            if click["action"] != "add_to_cart" or not each.sdk.takes_time:
                assert began - 1 <= click["timestamp"] <= click["received_at"], said
            elif each.sdk.true_time:
                assert click["timestamp"] == each.track_ms, said
            else:  # later by no more than its way took
                happened = each.track_ms + BEHIND_MS
                assert happened - 1 <= click["timestamp"] <= happened + click["received_at"] - began + 1, said
