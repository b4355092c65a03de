"""What the pictures show: people, groups, studies of invented patients, what is shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from tests.builders import UID_ROOT, ct_instance, encapsulated_instance
from tests.commands import run_command
from tests.e2e.processes import PASSWORD, Client
from tests.screenshots.phantom import ABDOMEN, CHEST, HEAD, Ellipse, slice_of


class Invented(NamedTuple):
    """A study of nobody."""

    patient: str
    patient_id: str
    birth: str
    sex: str
    date: str
    description: str
    modality: str
    maker: str
    model: str
    body: Sequence[Ellipse]
    series: Sequence[tuple[str, int]]
    """Description and number of images of each."""


STUDIES = (
    Invented(
        *("GARCÍA LÓPEZ^MARÍA", "HC-204518", "19670412", "F", "20260908", "TC de abdomen con contraste"),
        *("CT", "SIEMENS", "SOMATOM Force", ABDOMEN, (("Abdomen axial 3 mm", 9), ("Abdomen hueso", 4))),
    ),
    Invented(
        *("FERNÁNDEZ RUIZ^ANTONIO", "HC-118230", "19540923", "M", "20260907", "TC de tórax"),
        *("CT", "GE MEDICAL SYSTEMS", "Revolution CT", CHEST, (("Tórax pulmón", 7),)),
    ),
    Invented(
        *("GARCIA^MARIA", "HC-377012", "19890130", "F", "20260905", "RM de cráneo"),
        *("MR", "Philips", "Ingenia 3.0T", HEAD, (("T1 axial", 5), ("T2 axial", 5))),
    ),
    Invented(
        *("IBÁÑEZ PEÑA^LUCÍA", "HC-290441", "20010617", "F", "20260904", "TC de cráneo sin contraste"),
        *("CT", "Canon Medical", "Aquilion ONE", HEAD, (("Cráneo axial", 6),)),
    ),
    Invented(
        *("MÜLLER^JÖRG", "HC-051877", "19480211", "M", "20260903", "Control de tórax"),
        *("CT", "SIEMENS", "SOMATOM Force", CHEST, (("Tórax mediastino", 4),)),
    ),
    Invented(
        *("SANTOS PRIETO^CARMEN", "HC-266190", "19750828", "F", "20260901", "TC de abdomen y pelvis"),
        *("CT", "GE MEDICAL SYSTEMS", "Revolution CT", ABDOMEN, (("Abdomen portal", 6),)),
    ),
)


def files_of(study: int) -> list[tuple[str, bytes]]:
    """Name and bytes of each of its files."""
    told = STUDIES[study]
    uid, made = f"{UID_ROOT}.9.{study + 1}", []
    for number, (description, count) in enumerate(told.series, start=1):
        for image in range(1, count + 1):
            seed = study * 1000 + number * 100 + image
            made.append(
                (
                    f"S{number:02}I{image:03}.dcm",
                    ct_instance(
                        *(320, 320),
                        seed=seed,
                        pixels=slice_of(told.body, image / (count + 1), seed),
                        sop_instance_uid=f"{uid}.{number}.{image}",
                        SpecificCharacterSet="ISO_IR 192",
                        PatientName=told.patient,
                        PatientID=told.patient_id,
                        PatientBirthDate=told.birth,
                        PatientSex=told.sex,
                        StudyInstanceUID=uid,
                        SeriesInstanceUID=f"{uid}.{number}",
                        StudyDate=told.date,
                        StudyDescription=told.description,
                        SeriesDescription=description,
                        SeriesNumber=str(number),
                        InstanceNumber=str(image),
                        Modality=told.modality,
                        Manufacturer=told.maker,
                        ManufacturerModelName=told.model,
                        AccessionNumber=f"A-{4700 + study}",
                    ),
                )
            )
    return made


def cut_short(study: int) -> bytes:
    """A file of a study whose picture ends too early: nobody can measure it."""
    told, uid = STUDIES[study], f"{UID_ROOT}.9.{study + 1}"
    return encapsulated_instance(
        [b"\xff\xd8\xff\xe0 cut short"],
        SOPInstanceUID=f"{uid}.1.99",
        SpecificCharacterSet="ISO_IR 192",
        PatientName=told.patient,
        PatientID=told.patient_id,
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{uid}.1",
        StudyDate=told.date,
        StudyDescription=told.description,
        Manufacturer=told.maker,
        ManufacturerModelName=told.model,
    )


PEOPLE = (
    ("ana", "Ana", "Ríos Vega", ("--group", "Radiología", "--superuser")),
    ("leo", "Leo", "Sanz Mora", ("--group", "Radiología")),
    ("marta", "Marta", "Gil Soto", ("--group", "uploader")),
    ("tecnico1", "Pablo", "Nieto", ("--group", "uploader")),
)


def make_people(database_url: str) -> None:
    """Accounts and a group, the way an operator makes them."""

    def command(*arguments: str, given: str = "") -> None:
        done = run_command("services.auth", *arguments, env={"DATABASE_URL": database_url}, given=given)
        assert done.returncode == 0, done.stderr

    permissions = ("add_dicomfile", "view_dicomfile", "view_dicomresult", "share_dicomfile")
    given = [word for permission in permissions for word in ("--permission", permission)]
    command("group", "create", "Radiología", "--mode", "manage", *given)
    for name, first, last, more in PEOPLE:
        profile = ("--first-name", first, "--last-name", last, "--email", f"{name}@hospital.example")
        command("user", "create", name, *profile, *more, given=f"{PASSWORD}\n")


async def _ask(client: Client, method: str, path: str, json: dict[str, Any]) -> Any:
    url = client.urls["portal"] + path
    async with client.session.request(method, url, json=json, headers=client.headers) as answer:
        body = await answer.json(content_type=None)
        assert answer.status < 300, body
        return body


async def fill(new_client: Callable[[], Client]) -> dict[str, str]:
    """Send and share; the ids of what pictures open."""
    ana, leo = new_client(), new_client()
    await ana.login("ana")
    await leo.login("leo")
    sent: list[str] = []
    for study in reversed(range(1, len(STUDIES))):
        status, body = await ana.upload(*files_of(study))
        assert status == 202, body
        sent = [file["id"] for file in body["files"]]
    status, body = await ana.upload(("S01I099.dcm", cut_short(1)))
    assert status == 202, body
    status, body = await leo.upload(("informe.dcm", files_of(4)[0][1]))
    assert status == 202, body
    for client, files in ((ana, sent), (leo, [body["files"][0]["id"]])):
        for file_id in files:
            await client.ended(file_id)
    _, me = await ana.get("/api/auth/me")
    _, him = await leo.get("/api/auth/me")
    for study, text in ((2, "Segunda opinión"), (3, "Sesión clínica del jueves")):
        await _ask(
            *(ana, "POST", "/api/shares"),
            {
                "grantee": {"user": him["user_id"]},
                "study_instance_uid": f"{UID_ROOT}.9.{study}",
                "collection": f"user:{me['user_id']}",
                "mode": "view",
                "until": "2099-12-31T12:00:00Z",
                "reason": text,
            },
        )
    await _ask(
        *(leo, "POST", "/api/shares"),
        {
            "grantee": {"user": me["user_id"]},
            "file_id": body["files"][0]["id"],
            "mode": "view",
            "reason": "¿Qué te parece?",
        },
    )
    await _ask(
        *(ana, "POST", "/api/auth/me/api-keys"),
        {"name": "Estación de trabajo TC 2", "days": 90, "permissions": ["add_dicomfile"]},
    )
    group = {"name": "Neurología", "mode": "view", "permissions": ["view_dicomresult"]}
    made = await _ask(ana, "POST", "/api/auth/groups", group)
    person = {"username": "irene", "first_name": "Irene", "last_name": "Vidal", "groups": [made["id"]]}
    await _ask(ana, "POST", "/api/auth/users", {**person, "password": PASSWORD})
    return {"file": sent[1], "other": sent[3], "study": f"{UID_ROOT}.9.1"}
