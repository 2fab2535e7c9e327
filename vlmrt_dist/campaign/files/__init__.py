"""Measurement files: tables as people have them to campaigns, problems by line, writing."""
