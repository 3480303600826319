"""What ctrl takes when a request leaves a field empty."""

from typing import Final

WORKSPACE: Final = "default"
ENVIRONMENT: Final = "production"
REPLICAS: Final = 1
CPU_MILLICORES: Final = 250
MEMORY_MIB: Final = 512
