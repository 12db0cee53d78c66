"""Files from other systems to domain values and back."""
