"""Builds of the docker backend: turns a checked source archive into an image, through the engine's API.

    source.py       reads the names and files of a source that decide how to build it
    written.py      writes a Dockerfile for a source without one, from its plan (pure)
    dockerfile.py   prepares the Dockerfile for the engine (pure)
    context.py      reads .dockerignore, and streams the source for the classic builder
    tree.py         lists the source for BuildKit, in the order of a walk, with the content of files
    session.py      the connection on which BuildKit asks for what it needs
    filesync.py     answers BuildKit about folders
    auth.py         answers BuildKit about registries
    output.py       turns the progress of either builder into lines of the build log
    failures.py     turns the engine's message on a failed build into one sentence (pure)
    images.py       finds and removes the images that krane built, and what failed builds left
    builder.py      runs one build, and cleans up after it

An image is labelled with the installation, the source and a key of everything that it was built from. A finished image
is tagged with that key: if the key exists, there is nothing to build. The classic builder also makes images of the
layers of a running build. They carry the installation's label and no tag, which tells what failed, cancelled and killed
builds left from everything else on the engine.
"""
