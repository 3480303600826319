"""Pure rules: no I/O, no clock, no framework. The same input always gives the same answer."""
