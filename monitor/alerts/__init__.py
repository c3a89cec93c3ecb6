"""Rules on readings: judged by the readings' own time, kept as events, told by notifications."""
