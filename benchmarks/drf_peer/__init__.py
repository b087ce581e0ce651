"""The peer of the ingest bench: the same server and database behind an endpoint as Django REST framework makes it."""
