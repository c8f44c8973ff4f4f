"""fastapi-users with SQLAlchemy and asyncpg on Postgres, as its documentation's full example sets it up.

Its JWT strategy keeps nothing, so there is no refresh and a logout ends nothing. The hash is Argon2id at the
same cost. ``setup NUMBER`` makes the tables and prints users and tokens; uvicorn serves it.
"""

import asyncio
import json
import os
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin, schemas
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.password import PasswordHelper
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

SECRET, PASSWORD = os.environ["PEER_SECRET"], os.environ["PEER_PASSWORD"]
HELPER = PasswordHelper(PasswordHash((Argon2Hasher(memory_cost=19_456, time_cost=2, parallelism=1),)))


class Base(DeclarativeBase):
    """The tables."""


class User(SQLAlchemyBaseUserTableUUID, Base):
    """A user as the package defines it."""


Users = SQLAlchemyUserDatabase[User, uuid.UUID]
engine = create_async_engine(os.environ["PEER_DATABASE_URL"], pool_size=10)
sessions = async_sessionmaker(engine, expire_on_commit=False)


async def database_session() -> AsyncIterator[AsyncSession]:
    """A session for a request."""
    async with sessions() as session:
        yield session


async def user_database(
    session: Annotated[AsyncSession, Depends(database_session)],
) -> AsyncIterator[Users]:
    """The users in this session."""
    yield SQLAlchemyUserDatabase(session, User)


class UserManager(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    """Users, with what signs their mails."""

    reset_password_token_secret = SECRET
    verification_token_secret = SECRET


async def user_manager(database: Annotated[Users, Depends(user_database)]) -> AsyncIterator[UserManager]:
    """The users, with the hash of the service's cost."""
    yield UserManager(database, HELPER)


def strategy() -> "JWTStrategy[User, uuid.UUID]":
    """Access tokens that nothing keeps."""
    return JWTStrategy(secret=SECRET, lifetime_seconds=3600)


backend = AuthenticationBackend("jwt", BearerTransport(tokenUrl="auth/jwt/login"), get_strategy=strategy)
users = FastAPIUsers[User, uuid.UUID](user_manager, [backend])
app = FastAPI()
app.include_router(users.get_auth_router(backend), prefix="/auth/jwt")
app.include_router(
    users.get_users_router(schemas.BaseUser[uuid.UUID], schemas.BaseUserUpdate), prefix="/users"
)


async def setup(number: int) -> dict[str, list[str]]:
    """Make the table, the users, and an access token for each of them."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    names = [f"peer-{each}@example.com" for each in range(number)]
    password = HELPER.hash(PASSWORD)
    async with sessions() as session:
        people = [User(email=name, hashed_password=password) for name in names]
        session.add_all(people)
        await session.commit()
    await engine.dispose()
    return {"emails": names, "access": [await strategy().write_token(each) for each in people]}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(setup(int(sys.argv[2])))))
