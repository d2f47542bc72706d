"""Models behind servers with OpenAI's interfaces: what they are asked, and how."""
