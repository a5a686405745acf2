"""Where metrics come from and moves go to: one file per source; the port stands in engine.contracts."""
