"""Our additions to Restate: sagas of named steps with undos, protobuf payloads, serving, and a client."""
