"""A replay with faults: `python -m clickstream_local.testing.faulty_replay` for the product's program.

CLICKSTREAM_CRASH_AT=POINT[:N]      kill the process the Nth time it comes past a point
"""

import os
import sys

from clickstream_processor.replaying.__main__ import main

from clickstream_local.testing.faulty_pod import Injected

if __name__ == "__main__":
    sys.exit(main(Injected(os.environ.get("CLICKSTREAM_CRASH_AT", ""))))
