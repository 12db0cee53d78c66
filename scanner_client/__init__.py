"""Reference scanner client: from a picture or a hand scanner to an answer at the counter."""
