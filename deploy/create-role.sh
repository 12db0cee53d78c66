#!/bin/sh
# Run once by the image of PostgreSQL, on an empty data folder: the service owns its database and is no superuser.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --set password="$(cat /run/secrets/database_password)" \
  --username "${POSTGRES_USER:-postgres}" --dbname postgres <<'SQL'
CREATE ROLE verifier LOGIN PASSWORD :'password';
CREATE DATABASE verifier OWNER verifier;
SQL
