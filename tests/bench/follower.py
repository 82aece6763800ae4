"""`python -m tests.bench.follower DATA TENANT COUNT EVENTS`: some subscriptions that say when they heard of each event.

Each line is the position of an event and the nanoseconds of the clock that all processes of the machine share.
"""

import asyncio
import sys
import time

from runtime import connect
from runtime.following import Events


async def main(data: str, tenant: str, count: int, events: int) -> None:
    with connect(data, tenant) as client:
        subscribed = [client.events.subscribe("Contact.created") for _ in range(count)]
        print("ready", flush=True)
        heard = await asyncio.gather(*(_hear(each, events) for each in subscribed))
    print("\n".join(f"{seq} {at}" for times in heard for seq, at in times), flush=True)


async def _hear(subscribed: Events, events: int) -> list[tuple[int, int]]:
    times: list[tuple[int, int]] = []
    async with subscribed:
        while len(times) < events:
            event = await anext(subscribed)
            times.append((event.seq, time.monotonic_ns()))
    return times


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
