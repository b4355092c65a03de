"""The deployment's RabbitMQ accounts on a virtual host of the tests, and what `migrate` declares there."""

from __future__ import annotations

import json
import secrets

from yarl import URL

from infra.deployment_secrets import ACCOUNTS, DEFINITIONS, rabbitmq_hash
from libs.common.bus.topology import TOPOLOGY
from services.operator import broker
from tests.rabbitmq_node import RabbitMQNode


def make_accounts(node: RabbitMQNode, vhost: str) -> dict[str, str]:
    """Give `vhost` the released rights and policies, and the queues; AMQP_URL by account.

    Accounts belong to the whole node, so that their names here end with the virtual host's.
    """
    released = json.loads(DEFINITIONS.read_text())
    passwords = {account: secrets.token_hex(8) for account in ACCOUNTS}
    kept = ("permissions", "topic_permissions", "policies")
    found = {key: [{**entry, "vhost": vhost} for entry in released[key]] for key in kept}
    for key in ("permissions", "topic_permissions"):
        found[key] = [
            {**entry, "user": f"{entry['user']}.{vhost}"}
            for entry in found[key]
            if entry["user"] in passwords
        ]
    users = [
        {**user, "name": f"{user['name']}.{vhost}", "password_hash": rabbitmq_hash(passwords[user["name"]])}
        for user in released["users"]
        if user["name"] in passwords
    ]
    node.import_definitions(json.dumps({"users": users, **found}))
    url = URL(node.url(vhost))
    urls = {
        account: str(url.with_user(f"{account}.{vhost}").with_password(password))
        for account, password in passwords.items()
    }
    broker.declare(urls["operator"], None, TOPOLOGY)
    return urls
