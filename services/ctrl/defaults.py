"""Defaults for empty fields of requests."""

from typing import Final

WORKSPACE: Final = "default"
ENVIRONMENT: Final = "production"
