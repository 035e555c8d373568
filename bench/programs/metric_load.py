"""Asks pods in turn for the largest keys of the metric page-views, steadily, and prints the latencies.

Arguments: base URLs (with commas), requests a second, the kind of load (a file): `shared` asks all pods the
same question, `made` asks each time for another number of rows, 20 to 39, so that no pod has the answer from
the second before. Ends at SIGTERM with one JSON line: {"requests", "errors", "p50_ms", "p99_ms", "keys"}, the
last is the fewest keys that an answer had. Latency counts from the moment a request was due.
"""

import asyncio
import itertools
import json
import signal
import sys
import time
from pathlib import Path

import aiohttp

ROWS = 20


async def main() -> None:
    bases, rate, kind = sys.argv[1].split(","), float(sys.argv[2]), Path(sys.argv[3]).read_text().strip()
    latencies: list[float] = []
    keys: list[int] = []
    errors = 0
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    running: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)) as session:

        async def ask(base: str, rows: int, due_s: float) -> None:
            nonlocal errors
            try:
                async with session.get(f"{base}/api/metrics/page-views?top={rows}") as answer:
                    body = await answer.read()
                latencies.append(time.perf_counter() - due_s)
                said = json.loads(body)
                errors += answer.status != 200 or said["partial"]
                keys.append(said["windows"][0]["keys"])
            except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
                errors += 1

        due_s = time.perf_counter()
        for number in itertools.count():
            due_s += 1 / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            if ended.is_set():
                break
            rows = ROWS + (number // len(bases) % ROWS if kind == "made" else 0)
            task = asyncio.create_task(ask(bases[number % len(bases)], rows, due_s))
            running.add(task)
            task.add_done_callback(running.discard)
        await asyncio.gather(*running)
    latencies.sort()

    def percentile(share: float) -> float:
        return round(1_000 * latencies[int(share * (len(latencies) - 1))], 2) if latencies else 0.0

    print(
        json.dumps(
            {
                "requests": len(latencies),
                "errors": errors,
                "p50_ms": percentile(0.5),
                "p99_ms": percentile(0.99),
                "keys": min(keys, default=0),
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
