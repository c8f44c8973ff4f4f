"""The tables and the demo account, as the operator's commands would make them."""

import asyncio

from app.dev.processes import DataUnusable
from app.domain.refusals import Refusal, Refused
from app.settings import Settings, load
from app.storage.postgres import migrations
from app.wiring import open_service


def prepare(email: str, password: str, *, is_new: bool) -> None:
    """Migrate the tables, and create the account. One that exists is given the password if that is new."""
    settings = load(Settings)
    migrations.migrate(migrations.alembic_config(settings.database_url))
    asyncio.run(_account(settings, email, password, is_new=is_new))


async def _account(settings: Settings, email: str, password: str, *, is_new: bool) -> None:
    async with open_service(settings) as service:
        if await service.operator_keys.unopenable():
            raise DataUnusable("the signing keys were sealed under another secret than the present one")
        try:
            await service.accounts.find(email)
        except Refused as refused:
            if refused.refusal is not Refusal.ACCOUNT_UNKNOWN:
                raise
            await service.accounts.create(email, password, [])
        else:
            if is_new:
                await service.accounts.set_password(email, password)
