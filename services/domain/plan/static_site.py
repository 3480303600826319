"""A source that consists of static files."""

from services.domain.plan.files import SourceFiles
from services.domain.plan.model import StaticFolder

# The file of Cloud Foundry and Railpack, with a line such as "root: dist".
STATICFILE = "Staticfile"
_INDEX = "index.html"
_FOLDERS = ("public", "dist", "build", "site", "_site", "www", "html", "out")


def static_site(files: SourceFiles) -> StaticFolder | None:
    """The folder to serve; None if there is no index.html in any usual place."""
    for line in files.text(STATICFILE).splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "root" and value.strip():
            return StaticFolder(folder=value.strip().strip("\"'").strip("/"), source=STATICFILE)
    if _INDEX in files.names:
        return StaticFolder(folder=".", source=_INDEX)
    folder = next((folder for folder in _FOLDERS if f"{folder}/{_INDEX}" in files.names), "")
    return StaticFolder(folder=folder, source=f"{folder}/{_INDEX}") if folder else None
