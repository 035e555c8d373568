"""Atheris feeds requests through bodies, mappings and intake. `scripts/fuzz` starts it where Atheris is.

Coverage guides it, so it finds what random documents do not. The rules are in collector_support/passing.py.
"""

import json
import random
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["clickstream_collector"]):
    from clickstream_collector.http.routes import EVENT_ROUTES
    from collector_support.passing import ODD, names, objects, passed, seeds

WORDS = (
    "anon:",
    "$device:",
    "$identify",
    "$create_alias",
    "alias",
    "identify",
    "batch",
    "data=",
    "\\ud800",
    "NaN",
)


NAMES = [
    sorted(each for each in names(route.vocabulary.name) if each.isprintable()) for route in EVENT_ROUTES
]


def mutated(data: bytes, most: int, seed: int) -> bytes:
    """Change bytes; or, if the body is JSON, set one member of one of its objects."""
    chance = random.Random(seed)
    if chance.random() < 0.5:
        try:
            document = json.loads(data[3:])
        except (ValueError, RecursionError):
            document = None
        if found := [each for each in objects(document) if each]:
            chosen = chance.choice(found)
            name = chance.choice(NAMES[data[0] % len(NAMES)] if chance.random() < 0.7 else sorted(chosen))
            chosen[name] = chance.choice(ODD)
            return (data[:3] + json.dumps(document).encode())[:most]
    return bytes(atheris.Mutate(data, most))


def main() -> None:
    """Run with the arguments of libFuzzer; the first is the folder of the corpus."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds()):
        (folder / f"sdk-{number}").write_bytes(seed)
    words = folder.with_suffix(".dict")
    words.write_text(
        "".join(
            '"' + word.replace("\\", "\\\\") + '"\n'
            for word in [*WORDS, *dict.fromkeys(each for found in NAMES for each in found)]
            if '"' not in word
        )
    )
    atheris.Setup([*sys.argv, f"-dict={words}"], lambda data: passed(data) and None, custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
