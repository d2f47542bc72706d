"""Any bytes as audio: opened, decoded, resampled, measured, spooled."""
