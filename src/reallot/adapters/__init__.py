"""Where metrics come from and moves go to: the port in base.py, one file per source."""
