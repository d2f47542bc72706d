"""What asking a model server costs: the client, Beam around it, and a bare asyncio client, on one server."""
