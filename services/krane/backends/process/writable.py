"""What a command may change of its image: nothing. It sees the image through a layer, or gets a copy of the app.

With a layer (overlayfs, as root), the image's folder has its usual path, and writes go to the command's own folder.
Otherwise, the app's folder is copied, and the rest of the image is protected by its permissions. A folder that is too
large to copy is read-only. What a command wrote stays until its folder is removed, also over restarts.
"""

import asyncio
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from services.domain.errors import PreconditionFailed, Unavailable
from services.domain.volumes import APP_FOLDER, Volume
from services.krane.backends.process.artifacts import Artifact
from services.krane.backends.shared.files import remove_tree
from services.krane.backends.supervision.shim import Mount
from services.krane.backends.supervision.supervised import CommandSpec

# Larger folders are not copied: a start would take too long, and each instance would need the space.
MAX_COPY_BYTES = 1 << 30
MAX_COPY_FILES = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WritableImage:
    """An image as one command sees it, with its volumes."""

    image: Artifact
    # The command's own folder.
    folder: Path
    # Whether commands may have mounts of their own.
    can_mount: bool
    volumes: tuple[Volume, ...]
    # The folder of the volumes.
    store: Path

    @property
    def volume_variables(self) -> dict[str, str]:
        """The variables that tell the command where its volumes are."""
        return {volume.variable: str(self._place(volume)) for volume in self.volumes}

    async def seen_by(self, command: CommandSpec) -> CommandSpec:
        """Return the command with the image that it may change.

        Raises Unavailable if it cannot be copied now, PreconditionFailed if it was removed.
        """
        if await asyncio.to_thread(lambda: self.image.config) is None:
            raise PreconditionFailed(f"its image {self.image.image} was removed")
        for volume in self.volumes:
            await self._provide(volume)
        if self.can_mount:
            path = str(self.image.folder)
            layer = Mount(source=path, target=path, layer=str(self.folder / "layer"))
            return replace(command, mounts=(layer, *map(self._mount, self.volumes)))
        notes = [
            f"volume {volume.name} is in ${volume.variable}, not in {volume.path}: krane may mount nothing here"
            for volume in self.volumes
            if not self._is_in_app(volume)
        ]
        if await asyncio.to_thread(_is_too_large, self.image.app):
            notes.append(f"the app's folder is read-only: it is larger than {MAX_COPY_BYTES >> 20} MiB")
            return replace(command, note="; ".join(notes))
        await _copy(self.image.app, self.folder / "app")
        await asyncio.to_thread(self._link_volumes)
        return replace(command, working_directory=self.folder / "app", note="; ".join(notes))

    async def _provide(self, volume: Volume) -> None:
        """Make the folder of a volume. A new one begins with what the image has there, as with docker."""
        folder, beginning = self.store / volume.name, self._in_app(volume, self.image.app)
        if beginning is not None and beginning.is_dir():
            await _copy(beginning, folder)
        else:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _place(self, volume: Volume) -> Path:
        if self.can_mount:
            return self._in_app(volume, self.image.app) or Path(volume.path)
        return self.store / volume.name

    def _mount(self, volume: Volume) -> Mount:
        return Mount(source=str(self.store / volume.name), target=str(self._place(volume)), layer="")

    def _link_volumes(self) -> None:
        for volume in self.volumes:
            link = self._in_app(volume, self.folder / "app")
            if link is not None and not link.is_symlink():
                remove_tree(link)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(self.store / volume.name)

    def _in_app(self, volume: Volume, app: Path) -> Path | None:
        return app / volume.path.relative_to(APP_FOLDER) if self._is_in_app(volume) else None

    def _is_in_app(self, volume: Volume) -> bool:
        return APP_FOLDER in volume.path.parents


async def can_mount(folder: Path) -> bool:
    """Return whether commands whose files are below the folder may have mounts of their own."""
    place = folder / "mount-trial"
    await asyncio.to_thread(remove_tree, place)
    place.mkdir(parents=True, mode=0o700)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "services.krane.backends.supervision.can_mount", str(place))
        )
        return await process.wait() == 0
    finally:
        await asyncio.to_thread(remove_tree, place)


async def _copy(source: Path, target: Path) -> None:
    """Copy a folder, unless the copy exists. It appears when it is complete."""
    if await asyncio.to_thread(target.exists):
        return
    unfinished = target.with_name(f".{target.name}.unfinished")
    await asyncio.to_thread(remove_tree, unfinished)
    unfinished.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Blocks are shared where the file system can. Links would not do: the image would change with them.
    await _run("cp", "--archive", "--reflink=auto", str(source), str(unfinished))
    await _run("chmod", "--recursive", "u+w", str(unfinished))
    unfinished.rename(target)


async def _run(*arguments: str) -> None:
    """Run a program to its end; it is killed if the caller is cancelled. Raises Unavailable if it fails."""
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise Unavailable(f"the app could not be copied for an instance: {said.decode(errors='replace')[:200]}")


def _is_too_large(folder: Path) -> bool:
    files, size = 0, 0
    for entry in _files(folder):
        files, size = files + 1, size + entry.lstat().st_size
        if files > MAX_COPY_FILES or size > MAX_COPY_BYTES:
            return True
    return False


def _files(folder: Path) -> Iterable[Path]:
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names)
