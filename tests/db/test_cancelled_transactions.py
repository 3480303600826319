import asyncio
import random

from sqlalchemy import text

from services.db.engine import Database


async def test_a_cancelled_transaction_does_not_keep_the_write_lock(database: Database) -> None:
    moments = random.Random(1)
    other = Database(database.url)

    async def change() -> None:
        async with database.write() as session:
            await session.execute(text("update routing_revision set revision = revision + 1"))
            await session.execute(text("select revision from routing_revision"))

    for _ in range(50):
        changing = asyncio.create_task(change())
        await asyncio.sleep(moments.uniform(0, 0.006))
        changing.cancel()
        await asyncio.wait({changing})

        async with asyncio.timeout(3), other.write() as session:
            await session.execute(text("update routing_revision set revision = revision + 1"))

    await other.close()
