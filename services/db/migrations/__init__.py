"""Alembic migrations; `migrate()` applies them."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config


def alembic_config(url: str) -> Config:
    """Return Alembic's configuration for the database at `url`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["url"] = url
    return config


async def migrate(url: str) -> None:
    """Upgrade the database at `url` to the newest revision. Safe to repeat."""
    await asyncio.to_thread(command.upgrade, alembic_config(url), "head")
