"""How long an instance may take to end after SIGTERM."""


def effective_grace(asked: int, of_image: int, default: float) -> float:
    """Return seconds: the deployment's value, else the image's, else krane's default."""
    return asked or of_image or default
