"""The MLflow Model Registry REST API: requests in, the verbs of `inventory`, answers out. It holds no rule of its own."""
