"""The MLflow Model Registry REST API: requests in, verbs of `inventory` called, answers out. No rule stands here."""
