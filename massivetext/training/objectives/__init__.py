"""The training objectives, one file each: what is learned from a batch."""
