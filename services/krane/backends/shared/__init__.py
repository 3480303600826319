"""Small parts that builds, sources and hosted workloads all use: folders, files, locks, operations and log files."""
