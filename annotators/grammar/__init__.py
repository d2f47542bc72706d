"""The caption grammar: rules that make sentences of measured values."""
