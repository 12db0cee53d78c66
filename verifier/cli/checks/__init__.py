"""What `verifier doctor` looks at: readings in, findings out. Nothing here starts or changes anything."""
