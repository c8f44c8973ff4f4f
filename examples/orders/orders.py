"""A small service that other people's users call: it checks access tokens alone, with the kit for Python.

    make example

The settings are those of the kit: WATCHWORD_ISSUER, WATCHWORD_AUDIENCE and so on.
"""

from dataclasses import asdict
from itertools import count
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Response
from pydantic import BaseModel, Field

from watchword_verifier import Identity, Verifier
from watchword_verifier.fastapi import Bearer

MAX_ORDERS = 1000

verifier = Verifier.from_environment()
signed_in = Bearer(verifier)
app = FastAPI(title="Orders", lifespan=verifier.lifespan)

User = Annotated[Identity, Depends(signed_in)]
Admin = Annotated[Identity, Depends(signed_in.with_roles("admin", fresh="5m"))]


class NewOrder(BaseModel):
    """What a client sends."""

    item: str = Field(min_length=1, max_length=100)


class Order(NewOrder):
    """An order of one account."""

    number: int
    account: str


orders: dict[int, Order] = {}
numbers = count(1)


@app.get("/orders")
async def own_orders(user: User) -> list[Order]:
    """The orders of the account."""
    return [order for order in orders.values() if order.account == user.subject]


@app.post("/orders", status_code=201)
async def add_order(new: NewOrder, user: User) -> Order:
    """A new order of the account."""
    if len(orders) >= MAX_ORDERS:
        raise HTTPException(507, "There is no room for more orders.")
    order = Order(item=new.item, number=next(numbers), account=user.subject)
    orders[order.number] = order
    return order


@app.delete("/orders/{number}", status_code=204)
async def delete_order(number: int, _admin: Admin) -> None:
    """Delete any order: for administrators who have signed in within five minutes."""
    if orders.pop(number, None) is None:
        raise HTTPException(404, "There is no such order.")


@app.get("/readyz")
async def ready(response: Response) -> dict[str, object]:
    """Whether tokens can be checked."""
    health = verifier.health()
    response.status_code = 200 if health.has_keys else 503
    return asdict(health)
