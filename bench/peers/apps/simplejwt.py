"""djangorestframework-simplejwt with Postgres, as its documentation sets it up.

Refresh tokens rotate, and the former one is on the blacklist: what this service does is the same. The hash is
Argon2id at the same cost. ``setup NUMBER`` makes the tables and prints users and tokens; gunicorn serves it.
"""

import json
import os
import sys
from datetime import timedelta

import django
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.wsgi import get_wsgi_application
from django.urls import path


class SameCost(Argon2PasswordHasher):
    """Argon2id at the cost of the service's hashes."""

    algorithm, memory_cost, time_cost, parallelism = "argon2", 19_456, 2, 1


settings.configure(
    SECRET_KEY=os.environ["PEER_SECRET"],
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    PASSWORD_HASHERS=[f"{__name__}.SameCost"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PEER_DATABASE"],
            "USER": "postgres",
            "HOST": os.environ["PEER_HOST"],
            "PORT": "5432",
            "CONN_MAX_AGE": None,
        }
    },
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_simplejwt.token_blacklist",
    ],
    MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
    SIMPLE_JWT={
        "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
        "REFRESH_TOKEN_LIFETIME": timedelta(days=30),
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
    },
)
django.setup()

# Django has to be set up before these are imported.
from django.contrib.auth.hashers import make_password  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402
from rest_framework_simplejwt.views import (  # noqa: E402
    TokenBlacklistView,
    TokenObtainPairView,
    TokenRefreshView,
)


class Me(APIView):
    """The caller's account."""

    def get(self, request: Request) -> Response:
        """Answer it."""
        user = request.user
        return Response({"id": user.pk, "email": user.email, "created_at": user.date_joined})


urlpatterns = [
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("api/token/blacklist/", TokenBlacklistView.as_view()),
    path("api/me/", Me.as_view()),
]
application = get_wsgi_application()


def setup(number: int) -> dict[str, list[str]]:
    """Make the tables, the users, and a refresh token and an access token for each of them."""
    call_command("migrate", verbosity=0)
    password = make_password(os.environ["PEER_PASSWORD"])
    names = [f"peer-{each}@example.com" for each in range(number)]
    User.objects.bulk_create(User(username=name, email=name, password=password) for name in names)
    tokens = [RefreshToken.for_user(user) for user in User.objects.all()]
    return {
        "emails": names,
        "tokens": [str(token) for token in tokens],
        "access": [str(token.access_token) for token in tokens],
    }


if __name__ == "__main__":
    print(json.dumps(setup(int(sys.argv[2]))))
