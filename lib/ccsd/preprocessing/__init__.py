"""From a study's volumes to the network's input, and back. Knows images, not networks."""
