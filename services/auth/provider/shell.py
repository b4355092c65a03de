"""`… application list|register|change|delete`: applications from a shell."""

from __future__ import annotations

import argparse

from libs.common.errors import InvalidRequest
from services.auth.acts import OPERATOR, Command, Commands
from services.auth.provider.models import ApplicationChange, ApplicationCreate


def add_commands(parser: argparse.ArgumentParser) -> None:
    """The commands of applications, below `parser`."""
    kinds = parser.add_subparsers(required=True)
    _does(kinds.add_parser("list", help="list applications"), application_list)
    register = _does(kinds.add_parser("register", help="register an application"), application_register)
    register.add_argument("name")
    register.add_argument("--client-id", metavar="ID", help="unset: made of the name")
    register.add_argument("--confidential", action="store_true", help="it keeps a secret, which is printed")
    register.add_argument("--trusted", action="store_true", help="nobody is asked whether it may, at https")
    _addresses(register, required=True)
    change = _does(kinds.add_parser("change", help="change an application"), application_change)
    change.add_argument("client_id", metavar="id")
    change.add_argument("--name")
    for flag, what in (("active", "may be used"), ("trusted", "nobody is asked whether it may, at https")):
        change.add_argument(f"--{flag}", action=argparse.BooleanOptionalAction, default=None, help=what)
    _addresses(change, required=False)
    delete = _does(
        kinds.add_parser("delete", help="sign an application out, and delete it"), application_delete
    )
    delete.add_argument("client_id", metavar="id")


def _does(parser: argparse.ArgumentParser, command: Command) -> argparse.ArgumentParser:
    parser.set_defaults(command=command, asks_password=False)
    return parser


def _addresses(parser: argparse.ArgumentParser, *, required: bool) -> None:
    again = "may be repeated" if required else "may be repeated; replaces all"
    parser.add_argument("--redirect", action="append", metavar="URI", required=required, help=again)
    parser.add_argument("--after-sign-out", action="append", metavar="URI", help=again)
    parser.add_argument("--scope", action="append", metavar="NAME", help=again)


async def application_list(known: Commands, _: argparse.Namespace) -> str:
    """Applications by name."""
    return "\n".join(
        f"{one.client_id:<24} {one.name:<24} {'active' if one.is_active else 'off':<7} {' '.join(one.scopes)}"
        for one in await known.applications.all()
    )


async def application_register(known: Commands, options: argparse.Namespace) -> str:
    """Register one."""
    given = {
        "client_id": options.client_id,
        "post_logout_redirect_uris": options.after_sign_out,
        "scopes": options.scope,
    }
    wanted = ApplicationCreate(
        name=options.name,
        redirect_uris=options.redirect,
        trusted=options.trusted,
        confidential=options.confidential,
        **{name: value for name, value in given.items() if value is not None},
    )
    made = await known.applications.create(OPERATOR, wanted)
    told = f"Application {made.name} registered: client id {made.client_id}"
    return f"{told}." if made.client_secret is None else f"{told}, secret {made.client_secret}"


async def application_change(known: Commands, options: argparse.Namespace) -> str:
    """Change one."""
    change = ApplicationChange(
        name=options.name,
        redirect_uris=options.redirect,
        post_logout_redirect_uris=options.after_sign_out,
        scopes=options.scope,
        trusted=options.trusted,
        is_active=options.active,
    )
    if not change.model_dump(exclude_none=True):
        raise InvalidRequest("Say what to change (--help).")
    changed = await known.applications.change(OPERATOR, options.client_id, change)
    return f"Application {changed.name} changed."


async def application_delete(known: Commands, options: argparse.Namespace) -> str:
    """Delete one."""
    await known.applications.delete(OPERATOR, options.client_id)
    return f"Application {options.client_id} deleted; its sessions have ended."
