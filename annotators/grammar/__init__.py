"""The caption grammar: rules that turn measured values into sentences."""
