"""What each error code of the API means and what to do about it; the codes never change."""

from typing import NamedTuple


class Entry(NamedTuple):
    """The help of one code."""

    status: int | None  # None: a code of a single item in `errors`
    means: str
    remedy: str


CODES: dict[str, Entry] = {
    "malformed": Entry(400, "The request cannot be read.", "Compare it with the example in the API documentation."),
    "invalid_json": Entry(400, "The body (or a line of NDJSON) is not valid JSON in UTF-8.", "Serialise with a JSON library; NaN and Infinity are not JSON."),
    "too_deep": Entry(400, "The JSON is nested too deeply.", "Flatten it: a record is at most 8 deep."),
    "duplicate_key": Entry(400, "One object holds the same key twice.", "Send each key once."),
    "unknown_field": Entry(400, "A field of the body, or of an item, does not exist.", "Check the spelling; context belongs into `features`."),
    "unknown_parameter": Entry(400, "A query parameter does not exist on this route.", "The answer lists those that do."),
    "repeated_parameter": Entry(400, "A query parameter is given more than once.", "Give it once; several values are separated by commas."),
    "malformed_parameter": Entry(400, "A query parameter has a value that cannot be read.", "The answer says what is expected."),
    "idempotency_key_required": Entry(400, "This POST needs an `Idempotency-Key` header.", "Send 1 to 255 visible ASCII characters, new for each intent, the same for a retry."),
    "unauthenticated": Entry(401, "No valid credential came with the request.", "Send `Authorization: Bearer <key>`; keys expire and can be revoked."),
    "refused": Entry(403, "Your role does not allow this.", "Ask a maintainer of the team."),
    "insufficient_scope": Entry(403, "The key lacks the scope this route needs.", "Issue a key with that scope."),
    "not_found": Entry(404, "It does not exist, or belongs to another team.", "Check the address; names are case-sensitive."),
    "method_not_allowed": Entry(405, "The route has no such method.", "The `Allow` header lists those it has."),
    "conflict": Entry(409, "The state does not allow the step.", "Read it again and decide anew."),
    "name_taken": Entry(409, "The name is taken in this installation.", "Choose another one."),
    "schema_frozen": Entry(409, "The version has received traffic, so its features no longer change.", "Register a new version."),
    "idempotency_in_progress": Entry(409, "The first request with this key is still running.", "Repeat in a second."),
    "reference_in_use": Entry(409, "The reference is the primary one, or a run needs it.", "Make another reference primary first."),
    "already_acknowledged": Entry(409, "Somebody has acknowledged the alert before; the first name stays.", "Read the alert: it says who and until when."),
    "alert_closed": Entry(409, "The alert is over.", "Nothing is left to acknowledge; a new episode opens it again."),
    "alert_keeps_moving": Entry(409, "Others changed the alert at the same time, again and again.", "Repeat."),
    "precondition_failed": Entry(412, "It changed since you read it.", "Read it again and send the new `If-Match`."),
    "precondition_required": Entry(428, "This change needs an `If-Match` header.", "Send the `ETag` you read."),
    "too_large": Entry(413, "A size limit is exceeded; the answer names it.", "Send smaller parts."),
    "unsupported_media_type": Entry(415, "The media type, charset or encoding is not taken here.", "Send UTF-8 JSON, NDJSON or Parquet; gzip is the one encoding."),
    "invalid": Entry(422, "The request is understood, but some values are not valid.", "`errors` names each field, value and reason."),
    "empty_batch": Entry(422, "The batch holds no items.", "Send at least one."),
    "damaged_file": Entry(422, "The file cannot be read to its end.", "Write it again and compare checksums."),
    "unsupported_column": Entry(422, "A column has a type that is not taken.", "Use booleans, 64-bit integers, doubles, strings or UTC timestamps."),
    "idempotency_key_reused": Entry(422, "The key was used for another body.", "Use a new key for a new request."),
    "reference_invalid": Entry(422, "The reference file does not fit the version.", "`errors` names each column."),
    "until_too_far": Entry(422, "The acknowledgement would last longer than allowed.", "Name a time within the next 7 days."),
    "until_in_the_past": Entry(422, "The acknowledgement would have ended already.", "Name a time in the future."),
    "query_too_large": Entry(422, "The question would read too much at once.", "Narrow it by time, metric or feature."),
    "too_many_requests": Entry(429, "A quota is used up.", "Wait as long as `Retry-After` says."),
    "overloaded": Entry(503, "The portal or its database cannot take this now; nothing is known to be stored.", "Repeat after `Retry-After`; the same body is stored once."),
    "disk_low": Entry(507, "The portal is short of disk space and takes no traffic.", "Free space; senders repeat after `Retry-After`."),
    "internal_error": Entry(500, "A bug.", "Report the request id."),
    "bad_request": Entry(400, "The request cannot be read.", "Compare it with the API documentation."),
    "request_header_fields_too_large": Entry(431, "The headers are too large.", "Send fewer or shorter headers."),
    "wrong_type": Entry(None, "A value has another type than its field.", "Numbers are JSON numbers, not text."),
    "missing_field": Entry(None, "A required field is missing.", "Add it."),
    "invalid_character": Entry(None, "A text holds a control character that cannot be stored.", "Remove U+0000 to U+001F from names and U+0000 from values."),
    "not_finite": Entry(None, "A number is NaN, infinite or beyond a double.", "Send null if the value is not known."),
    "bad_time": Entry(None, "A time is not RFC 3339.", "Write 2025-11-20T09:31:07Z."),
    "timezone_required": Entry(None, "A time has no offset.", "Append Z or +01:00."),
    "in_future": Entry(None, "A time lies more than five minutes ahead.", "Check the sender's clock."),
    "too_old": Entry(None, "A time lies more than 30 days back.", "Bring history in with `manage.py backfill`."),
    "bad_request_id": Entry(None, "A request id is empty, longer than 128, or holds other than visible ASCII.", "Use a UUID."),
    "request_id_conflict": Entry(None, "The same request id came with other content.", "Use a new id for a new prediction; the first one stays."),
    "unknown_version": Entry(None, "The version is not registered.", "Register it, or correct `version`."),
    "unknown_label": Entry(None, "The label is none of the registered classes.", "Correct it, or register a version with that class."),
    "bad_kind": Entry(None, "The outcome's kind is reserved, malformed or of another type than before.", "Use `truth`, or a name such as `click`."),
    "score_out_of_range": Entry(None, "A probability lies outside 0 to 1.", "Send the calibrated probability."),
    "bad_probabilities": Entry(None, "Class probabilities do not add up to 1, or name other classes.", "Send one number per registered class."),
    "negative_value": Entry(None, "A latency, cost or count is negative.", "Send 0 or more."),
}  # fmt: skip
