"""A running engine shown and asked over HTTP; nothing below imports it, and its libraries are the extra `service`."""
