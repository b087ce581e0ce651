"""Messages to the outside: written once, sent at least once, marked after sending."""

from datetime import timedelta

import pytest

from mlops_portal.jobs.models import Job
from mlops_portal.kit import clock, faults, wiring
from mlops_portal.kit.errors import Conflict
from registry import outbox
from registry.models import OutboxMessage
from registry.outbox import Destination, NotTaken, Postponed, Undeliverable
from registry.tasks import JOBS
from tests.factories import NOON


class Receiver:
    """Stands for the world outside: takes messages, or fails as told."""

    def __init__(self):
        self.taken, self.failures = [], []

    def __call__(self, message):
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append((message.pk, bytes(message.body)))


@pytest.fixture
def receiver(monkeypatch):
    taken = Receiver()

    def destinations(type, subject, data, team, now):
        yield Destination("test", "someone", f"{type} {subject}".encode(), f"{type}:{subject}:{data['n']}")

    monkeypatch.setattr(wiring, "functions", lambda setting: (destinations,))
    monkeypatch.setattr(wiring, "named", lambda setting: {"test": taken})
    return taken


@pytest.fixture
def at(monkeypatch):
    """Sets the wall clock."""

    def set_to(moment):
        monkeypatch.setattr(clock, "now", lambda: moment)

    set_to(NOON)
    return set_to


def publish(team, n=1):
    return outbox.publish("alert.opened", "a1", {"n": n}, team=team, now=NOON)


def state(message):
    message.refresh_from_db()
    return message.state


def test_a_message_is_written_once_with_its_job(team, receiver):
    first, second = publish(team), publish(team)

    assert ([message.dedup_key for message in first], second) == (["alert.opened:a1:1"], [])
    job = Job.objects.get()
    assert (job.kind, job.key, job.queue) == ("registry.deliver_message", str(first[0].pk), "deliver")
    assert job.kind in JOBS


def test_a_message_is_sent_and_then_marked(team, receiver, at):
    [message] = publish(team)

    outbox.deliver(message.pk)

    assert receiver.taken == [(message.pk, b"alert.opened a1")]
    assert (state(message), message.sent_at, message.attempts) == ("sent", NOON, 1)


def test_a_message_that_was_sent_is_not_sent_again(team, receiver, at):
    [message] = publish(team)

    for _ in range(3):
        outbox.deliver(message.pk)

    assert len(receiver.taken) == 1


def test_a_failure_waits_and_comes_again(team, receiver, at):
    [message] = publish(team)
    receiver.failures = [OSError("refused")]

    outbox.deliver(message.pk)
    assert (state(message), message.attempt_log[0]["error"]) == ("pending", "OSError: refused")
    outbox.deliver(message.pk)
    assert receiver.taken == []
    at(message.next_at)
    outbox.deliver(message.pk)

    assert (state(message), len(receiver.taken)) == ("sent", 1)


def test_ten_failures_take_75_hours_and_then_it_is_dead(team, receiver, at):
    [message] = publish(team)
    receiver.failures = [OSError("no")] * 99

    moment = NOON
    for attempt in range(1, 11):
        assert state(message) == "pending", attempt
        at(moment)
        outbox.deliver(message.pk)
        message.refresh_from_db()
        moment = max(moment, message.next_at)
    assert (state(message), message.attempts, len(message.attempt_log)) == ("dead", 10, 10)
    assert sum(outbox.WAITS_S) == 75 * 3600 + 35 * 60 + 5


def test_what_can_never_be_delivered_is_dead_at_once(team, receiver, at):
    [message] = publish(team)
    receiver.failures = [Undeliverable("550 no such mailbox")]

    outbox.deliver(message.pk)

    assert state(message) == "dead"


def test_an_unknown_transport_is_dead_at_once(team, receiver, at, monkeypatch):
    [message] = publish(team)
    monkeypatch.setattr(wiring, "named", lambda setting: {})

    outbox.deliver(message.pk)

    assert state(message) == "dead"


def test_a_dead_message_is_sent_anew_with_the_same_id_and_body(team, receiver, at):
    [message] = publish(team)
    with pytest.raises(Conflict):
        outbox.replay(message, now=NOON)
    receiver.failures = [Undeliverable("no")]
    outbox.deliver(message.pk)

    outbox.replay(message, now=NOON)
    outbox.deliver(message.pk)

    assert receiver.taken == [(message.pk, b"alert.opened a1")]


@pytest.mark.parametrize(("point", "sent"), [("deliver.claimed", 1), ("deliver.sent", 2), ("deliver.marked", 1)])
def test_a_death_at_any_point_ends_in_at_least_one_delivery(team, receiver, at, monkeypatch, point, sent):
    [message] = publish(team)
    monkeypatch.setattr(faults, "_traps", faults.parse(f"{point}:raise:1"))
    monkeypatch.setattr(faults, "_hits", type(faults._hits)())

    with pytest.raises(faults.Planted):
        outbox.deliver(message.pk)
    outbox.deliver(message.pk)

    assert (state(message), len(receiver.taken)) == ("sent", sent)
    assert len({pk for pk, _ in receiver.taken}) == 1


def test_the_sweep_orders_what_is_due_and_nothing_else(team, receiver, at):
    due, later, sent = (publish(team, n)[0] for n in (1, 2, 3))
    OutboxMessage.objects.filter(pk=later.pk).update(next_at=NOON + timedelta(seconds=1))
    outbox.deliver(sent.pk)
    Job.objects.all().delete()

    outbox.sweep(NOON, drain=True)

    assert [job.key for job in Job.objects.all()] == [str(due.pk)]


def test_the_sweep_takes_up_what_a_dead_sender_left(team, receiver, at):
    [message] = publish(team)
    OutboxMessage.objects.filter(pk=message.pk).update(state="sending", attempts=1, next_at=NOON + outbox.SENDING_LIMIT)
    Job.objects.all().delete()

    outbox.sweep(NOON, drain=False)
    assert not Job.objects.exists()
    outbox.sweep(NOON + outbox.SENDING_LIMIT, drain=False)
    assert Job.objects.exists()


def test_a_message_that_kills_its_sender_is_given_up(team, receiver, at):
    [message] = publish(team)
    OutboxMessage.objects.filter(pk=message.pk).update(state="sending", attempts=10)

    outbox.deliver(message.pk)

    assert state(message) == "dead"
    assert receiver.taken == []


def test_a_slow_sender_that_was_overtaken_changes_nothing(team, at, monkeypatch):
    def destinations(type, subject, data, team, now):
        yield Destination("test", "someone", b"x", "once")

    def overtaken(message):
        OutboxMessage.objects.filter(pk=message.pk).update(attempts=5, state="sent", sent_at=NOON)
        raise OSError("late")

    monkeypatch.setattr(wiring, "functions", lambda setting: (destinations,))
    monkeypatch.setattr(wiring, "named", lambda setting: {"test": overtaken})
    [message] = publish(team)

    outbox.deliver(message.pk)

    assert (state(message), message.attempts) == ("sent", 5)


def test_an_answer_of_the_receiver_stands_in_the_log_and_can_lengthen_the_wait(team, receiver, at):
    [message] = publish(team)
    receiver.failures = [NotTaken("HTTP 503: busy", status=503, wait_s=7200)]

    outbox.deliver(message.pk)

    assert state(message) == "pending"
    assert (message.attempt_log[0]["status"], message.attempt_log[0]["error"]) == (503, "HTTP 503: busy")
    assert message.next_at == NOON + timedelta(seconds=7200)


def test_a_short_wait_does_not_shorten_the_schedule(team, receiver, at):
    [message] = publish(team)
    receiver.failures = [NotTaken("HTTP 503", status=503, wait_s=1)]

    outbox.deliver(message.pk)
    message.refresh_from_db()

    assert message.next_at > NOON + timedelta(seconds=4)


def test_to_be_postponed_is_no_attempt(team, receiver, at):
    [message] = publish(team)
    receiver.failures = [Postponed(30)]

    outbox.deliver(message.pk)

    assert (state(message), message.attempts, message.attempt_log) == ("pending", 0, [])
    assert message.next_at == NOON + timedelta(seconds=30)


@pytest.fixture
def line(team, receiver, monkeypatch):
    """Three messages of one endpoint, written in the same millisecond."""

    def ordered(type, subject, data, team, now):
        yield Destination("test", "someone", str(data["n"]).encode(), f"{subject}:{data['n']}", "endpoint:e1")

    monkeypatch.setattr(wiring, "functions", lambda setting: (ordered,))
    return [publish(team, n)[0] for n in (1, 2, 3)]


def bodies(receiver):
    return [body for _, body in receiver.taken]


def test_messages_of_one_key_go_in_their_order(line, receiver, at):
    first, second, third = line
    for message in (third, second, first, third, second):
        outbox.deliver(message.pk)
        message.refresh_from_db()
    assert bodies(receiver) == [b"1", b"2"]

    outbox.deliver(third.pk)

    assert bodies(receiver) == [b"1", b"2", b"3"]


def test_the_message_that_waits_is_ordered_when_the_one_before_is_gone(line, receiver, at):
    first, second, _ = line
    receiver.failures = [OSError("no")]
    outbox.deliver(first.pk)
    outbox.deliver(second.pk)
    second.refresh_from_db()
    assert (second.state, second.attempts, receiver.taken) == ("pending", 0, [])
    assert second.next_at > NOON
    Job.objects.all().delete()
    first.refresh_from_db()
    at(first.next_at)

    outbox.deliver(first.pk)

    assert [job.key for job in Job.objects.all()] == [str(second.pk)]


@pytest.mark.parametrize("failure", [Undeliverable("no"), Undeliverable("410", status=410)])
def test_a_dead_message_lets_the_next_pass(line, receiver, at, failure):
    receiver.failures = [failure]

    for message in line:
        outbox.deliver(message.pk)

    assert state(line[0]) == "dead"
    assert bodies(receiver) == [b"2", b"3"]


def test_a_message_that_killed_its_sender_lets_the_next_pass(line, receiver, at):
    OutboxMessage.objects.filter(pk=line[0].pk).update(state="sending", attempts=10)

    for message in line:
        outbox.deliver(message.pk)

    assert bodies(receiver) == [b"2", b"3"]


def test_another_receiver_does_not_wait(team, receiver, at, monkeypatch):
    def ordered(type, subject, data, team, now):
        for one in ("slow", "fast"):
            yield Destination("test", one, f"{one} {data['n']}".encode(), f"{one}{data['n']}", "endpoint:e1")

    monkeypatch.setattr(wiring, "functions", lambda setting: (ordered,))
    publish(team, 1)
    fast = OutboxMessage.objects.get(destination="fast")

    outbox.deliver(fast.pk)

    assert bodies(receiver) == [b"fast 1"]
