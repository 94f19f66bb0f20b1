"""The way out: bodies, the client, OpenAI's wire format."""
