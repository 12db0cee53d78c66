"""PostgreSQL and Redis behind the ports of the services; rows never leave this package."""
