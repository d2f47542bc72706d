"""Evaluation of detectors, cuts and backends on labelled audio."""
