"""The page of a model's training data: what is there, the upload and its refusals, which one counts."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from monitoring.models import Reference
from tests.factories import NOON, make_model, make_version
from tests.monitoring.shown import get, part, signed_in, text

URL = "/models/eta/references/"
CSV = b"income,region\n1,EU\n2,UK\n"


@pytest.fixture
def version(team):
    model = make_model(team=team, slug="eta", features=[("income", "number"), ("region", "category")])
    return make_version(model)


def make_reference(version, *, name="training", state=Reference.State.READY, is_primary=False, **fields) -> Reference:
    return Reference.objects.create(
        version=version,
        name=name,
        source="upload",
        state=state,
        is_primary=is_primary,
        file_format="csv",
        path=f"references/{name}",
        sha256="0" * 64,
        size_bytes=1,
        created_at=NOON,
        created_by="alice",
        **fields,
    )


def upload(user, version, *, file="small.csv", content=CSV, **fields):
    data = {
        "version": version.pk,
        "file": SimpleUploadedFile(file, content),
        "name": "training",
        "primary": "on",
    } | fields
    return signed_in(user).post(URL, data)


def test_without_any_it_says_what_is_missing(version, alice):
    assert "No reference yet" in get(alice, URL)


def test_an_upload_is_stored_and_listed(version, alice):
    answer = upload(alice, version)

    assert answer.headers["Location"] == URL
    reference = Reference.objects.get()
    assert (reference.name, reference.state, reference.created_by) == ("training", Reference.State.LOADING, "alice")
    assert "Loading" in text(get(alice, URL))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"file": "small.txt"}, "neither .csv nor .parquet"),
        ({"content": b""}, "empty"),
        ({"name": "two words"}, "valid"),
        ({"name": ""}, "required"),
    ],
    ids=["format", "empty", "name", "no-name"],
)
def test_a_bad_upload_is_refused_at_its_field(version, alice, fields, words):
    answer = upload(alice, version, **fields)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Reference.objects.exists()


def test_a_viewer_reads_why_not_and_is_refused_in_the_same_words(version, victor):
    shown = text(get(victor, URL))
    answer = upload(victor, version)

    assert answer.status_code == 403
    assert "To edit monitors and references takes" in shown
    assert "To edit monitors and references takes" in text(answer.content.decode())
    assert not Reference.objects.exists()


def test_for_another_team_there_is_no_such_page(version, charlie):
    assert upload(charlie, version).status_code == 404
    get(charlie, URL, status=404)


def test_what_went_wrong_is_said_in_the_list(version, alice):
    make_reference(
        version, state=Reference.State.FAILED, problems=[{"code": "x", "detail": "Column region is missing."}]
    )

    assert "Column region is missing." in get(alice, URL)


def test_the_list_is_asked_for_again_while_one_is_loading(version, alice):
    make_reference(version, state=Reference.State.LOADING)
    assert "every 2s" in part(alice, URL, "reference-rows").content.decode()

    Reference.objects.update(state=Reference.State.READY)
    assert "every 2s" not in part(alice, URL, "reference-rows").content.decode()


def test_a_viewer_does_not_choose_the_primary_one(version, victor):
    reference = make_reference(version, name="second")

    answer = signed_in(victor).post(f"{URL}{reference.pk}/make-primary/")

    assert answer.status_code == 403
    reference.refresh_from_db()
    assert not reference.is_primary
