"""Messages to people about a running engine: rules without a clock of their own, and a thread that sends."""
