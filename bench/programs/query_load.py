"""Asks a pod for users' metrics at a steady rate, whatever the answers take, and prints the latencies.

Arguments: base URL, requests a second, users (a file, one a line). Ends at SIGTERM with one JSON line:
{"requests", "errors", "p50_ms", "p99_ms"}. Latency counts from the moment a request was due: a pod that
stalls does not hide it by delaying the next request.
"""

import asyncio
import json
import random
import signal
import sys
import time
from pathlib import Path
from urllib.parse import quote

import aiohttp


async def main() -> None:
    base, rate, users = sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]).read_text().split()
    random_ = random.Random(1)  # noqa: S311 (no secret)
    latencies: list[float] = []
    errors = 0
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    running: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=50)) as session:

        async def ask(user: str, due_s: float) -> None:
            nonlocal errors
            try:
                async with session.get(f"{base}/dashboard/users/{quote(user)}/metrics") as answer:
                    await answer.read()
                    errors += answer.status != 200
            except (aiohttp.ClientError, TimeoutError):
                errors += 1
            latencies.append(time.perf_counter() - due_s)

        due_s = time.perf_counter()
        while not ended.is_set():
            due_s += 1 / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            task = asyncio.create_task(ask(random_.choice(users), due_s))
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
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
