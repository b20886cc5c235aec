"""The Unix socket between engine and console: messages, server, client."""
