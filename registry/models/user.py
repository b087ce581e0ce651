"""A person who can sign in."""

from typing import Any, ClassVar
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.crypto import salted_hmac


class UserManager(BaseUserManager["User"]):
    """Creates people; `createsuperuser` ends here."""

    def create_user(self, username: str, email: str = "", password: str | None = None, **fields: Any) -> "User":
        """A new active person; without a password nobody can sign in as them until they claim the account."""
        user = self.model(username=username, email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, email: str = "", password: str | None = None, **fields: Any) -> "User":
        """A new person with every administrative right (but no duty)."""
        return self.create_user(username, email, password, is_admin=True, **fields)


class User(AbstractBaseUser):
    """One row is one person. Rights come from memberships and from the two flags, never from Django groups."""

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    username = models.CharField(max_length=64, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9_.-]*\Z")])
    email = models.EmailField(unique=True)
    is_admin = models.BooleanField(default=False)
    is_auditor = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    session_number = models.PositiveIntegerField(default=0)  # grows when all sessions have to end
    created_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["email"]

    def __str__(self) -> str:
        return self.username

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session has to carry to be this person's: it changes with the password and with the session number."""
        content = f"{self.password} {self.session_number}"
        return salted_hmac("registry.User.session", content, secret=secret, algorithm="sha256").hexdigest()

    @property
    def sees_all_teams(self) -> bool:
        """Whether no wall applies: admins and auditors."""
        return self.is_admin or self.is_auditor

    def team_filter(self) -> Q:
        """Teams the person is a member of, as a condition on Team."""
        return Q(memberships__user=self)

    def model_filter(self) -> Q:
        """People are not bound to single models."""
        return Q()
