"""Fails unless the database and the broker answer: `python -m tests.services DATABASE_URL REDIS_URL`."""

import sys

import psycopg
import redis


def main(database_url: str, redis_url: str) -> None:
    """Connect to both, or end with an error."""
    server = database_url.rsplit("/", 1)[0] + "/postgres"
    with psycopg.connect(server, connect_timeout=3) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    redis.Redis.from_url(redis_url, socket_timeout=3).ping()
    sys.stdout.write(f"PostgreSQL {row[0] if row else '?'} and Redis answer\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
