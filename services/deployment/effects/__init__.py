"""The effects of the workflows' steps, by noun. Each is idempotent, limited in time, and independent of Restate."""

from dataclasses import dataclass
from typing import Self

from services.config import DeploySettings
from services.db.engine import Database
from services.deployment.effects.build import BuildEffects
from services.deployment.effects.image import ImageEffects
from services.deployment.effects.instances import InstanceEffects
from services.deployment.effects.live import LiveEffects
from services.deployment.effects.release import ReleaseEffects
from services.deployment.effects.retention import RetentionEffects
from services.deployment.effects.row import RowEffects
from services.deployment.secrets import Secrets
from services.keyring import Keyring
from services.krane.client import KraneClient


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """All effects, by noun."""

    row: RowEffects
    image: ImageEffects
    build: BuildEffects
    release: ReleaseEffects
    instances: InstanceEffects
    live: LiveEffects
    retention: RetentionEffects

    @classmethod
    def over(
        cls, database: Database, krane: KraneClient, keyring: Keyring, apex: str, settings: DeploySettings
    ) -> Self:
        """Create the effects for one installation."""
        secrets = Secrets(database, keyring)
        return cls(
            row=RowEffects(database, krane),
            image=ImageEffects(krane, secrets),
            build=BuildEffects(krane, secrets),
            release=ReleaseEffects(krane, secrets, settings),
            instances=InstanceEffects(database, krane, secrets, settings),
            live=LiveEffects(database, apex),
            retention=RetentionEffects(database, settings),
        )
