"""Small parts that builds, sources and hosted workloads share: folders, files, locks, operations and log files."""
