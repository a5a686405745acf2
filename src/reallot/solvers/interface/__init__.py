"""What every path to an answer hands over, and why one of our own paths may not answer."""
