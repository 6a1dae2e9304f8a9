"""Input that deserves no belief, put through what the studio believes by: nothing may pass."""
