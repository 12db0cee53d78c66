"""Other parties' verification services, asked over HTTP (GS1 LMS, the requestor's side)."""
