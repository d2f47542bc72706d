"""How well detectors, cuts and backends do on labelled audio."""
