"""What ctrl takes when a request leaves a field empty."""

from typing import Final

WORKSPACE: Final = "default"
ENVIRONMENT: Final = "production"
