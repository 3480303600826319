"""Builds of the docker backend: a checked source archive becomes an image, over the API of the engine.

    source.py       reads what of a source matters to how it is built
    detection.py    writes a Dockerfile for a source that has none (pure)
    dockerfile.py   the Dockerfile that the engine gets (pure)
    context.py      what .dockerignore leaves out, and the source as the classic builder gets it, streamed
    tree.py         the source as BuildKit gets it: entries in the order of a walk, and what is in files
    session.py      the connection on which BuildKit asks for what it needs
    filesync.py     its answers about folders
    auth.py         its answers about registries
    output.py       what either builder says while it works, as the log of the build
    failures.py     what the engine says of a failed build, as one sentence (pure)
    images.py       the images that krane built, how they are found again, and what failed builds left
    builder.py      one build, and its end in any case

An image is labelled with the installation, the source and a key of everything that it was made from, and tagged with
that key when it is whole: the same key again is the same image, without a build. While the classic builder works, the
layers of a build are images too; each carries the installation's label and no tag, and that is how what a failed,
cancelled or killed build left is told from everything else on the engine.
"""
