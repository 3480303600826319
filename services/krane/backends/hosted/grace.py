"""How long an instance gets to end by itself."""


def effective_grace(asked: int, of_image: int, default: float) -> float:
    """Seconds: as its deployment says, else its image, else krane's configuration."""
    return asked or of_image or default
