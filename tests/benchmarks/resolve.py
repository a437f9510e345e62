"""How long a resolution takes: 200 blocks with ten versions each by default, and what doesn't fit told of them.

python -m tests.benchmarks.resolve [BLOCKS VERSIONS]
"""

from __future__ import annotations

import sys
import time

from immtf.plan.conflict import told
from immtf.plan.resolve import Conflict, read_wish, resolve
from immtf.plan.shelf import stock
from tests.fakes.publishing import many


def main(blocks: int = 200, versions: int = 10) -> None:
    """Resolve the last two blocks of five infrastructures; then the same with a pair of versions that don't fit together."""
    sys.stdout.write(f"{blocks} blocks with {versions} versions each\n")
    for seed in range(5):
        published = many(blocks, versions, seed=seed)
        begin = time.process_time()
        shelf = stock(published)
        found = resolve([read_wish(f"b{blocks - 1}"), read_wish(f"b{blocks - 2}")], shelf)
        sys.stdout.write(f"  {time.process_time() - begin:.2f} s of CPU: {len(found.chosen)} of them chosen in {found.tried} choices\n")
        wishes = [
            read_wish(f"b{blocks - 1}={versions - 1 and '1.'}{versions - 1}.0"),
            *(read_wish(f"{name}=1.0.0") for name in found.chosen),
        ]
        begin = time.process_time()
        try:
            resolve(wishes, shelf)
        except Conflict:
            lines = str(told(wishes, shelf)).splitlines()
            sys.stdout.write(f"  {time.process_time() - begin:.2f} s of CPU: a conflict, told in {len(lines)} lines\n")


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:]))
