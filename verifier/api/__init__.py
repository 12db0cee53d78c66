"""HTTP only: schema in, use case, schema out."""
