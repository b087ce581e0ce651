"""Calls of MLflow's endpoints by Django's test client."""

import json
from typing import Any

from django.test import Client

BASE = "/api/2.0/mlflow/"


class Calls:
    """One caller; each method answers (status, document)."""

    def __init__(self, key: str = "", **headers: str) -> None:
        sent = {"Authorization": f"Bearer {key}"} if key else {}
        self.client = Client(headers=sent | headers)

    def get(self, path: str, **parameters: Any) -> tuple[int, Any]:
        answer = self.client.get(BASE + path, parameters)
        return answer.status_code, answer.json()

    def post(self, path: str, **body: Any) -> tuple[int, Any]:
        return self.send("post", path, body)

    def patch(self, path: str, **body: Any) -> tuple[int, Any]:
        return self.send("patch", path, body)

    def delete(self, path: str, **body: Any) -> tuple[int, Any]:
        return self.send("delete", path, body)

    def send(self, method: str, path: str, body: Any, media: str = "application/json") -> tuple[int, Any]:
        text = body if isinstance(body, str | bytes) else json.dumps(body)
        answer = getattr(self.client, method)(BASE + path, text, content_type=media)
        return answer.status_code, answer.json()
