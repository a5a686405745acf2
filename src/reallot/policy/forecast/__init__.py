"""What protocols will earn, learned from what they earned."""
