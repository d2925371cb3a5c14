#!/bin/sh
# Runs once, when the cluster is made: the server's own role (no superuser) and its database.
set -eu
psql -v ON_ERROR_STOP=1 -v password="$CEREBRA_DB_PASSWORD" --username "${POSTGRES_USER:-postgres}" <<'SQL'
CREATE ROLE cerebra LOGIN PASSWORD :'password';
CREATE DATABASE cerebra OWNER cerebra;
SQL
