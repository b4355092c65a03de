"""The fields that we use of CloudNativePG's and RabbitMQ's custom resources: no registry has their schemas.

Written from the operators' documentation and Go types. They keep our manifests from drifting to other names;
only an operator itself can tell whether it takes them: look up there what is not here.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string", "minLength": 1}
NUMBER: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}
TEXT_BY_NAME: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITY: Schema = {"type": ["string", "integer"], "pattern": r"^[0-9.]+(m|[KMGT]i)?$"}
QUANTITIES: Schema = {"type": "object", "additionalProperties": QUANTITY}


def fields(required: str = "", **properties: Schema) -> Schema:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def one_of(*values: str) -> Schema:
    """One of these words."""
    return {"enum": list(values)}


def resource(spec: Schema) -> Schema:
    """A custom resource with this `spec`."""
    metadata = fields("name", name=TEXT, namespace=TEXT, labels=TEXT_BY_NAME, annotations=TEXT_BY_NAME)
    return fields("apiVersion kind metadata spec", apiVersion=TEXT, kind=TEXT, metadata=metadata, spec=spec)


REFERENCE = fields("name", name=TEXT)
RESOURCES = fields(requests=QUANTITIES, limits=QUANTITIES)
STORAGE = fields("size", size=QUANTITY, storageClass=TEXT)
SPREAD = fields(
    "maxSkew topologyKey whenUnsatisfiable",
    maxSkew=NUMBER,
    topologyKey=TEXT,
    whenUnsatisfiable=one_of("DoNotSchedule", "ScheduleAnyway"),
    labelSelector=fields(matchLabels=TEXT_BY_NAME),
)

POSTGRES_CLUSTER = fields(
    "instances storage",
    instances={"type": "integer", "minimum": 1},
    imageName=TEXT,
    primaryUpdateStrategy=one_of("unsupervised", "supervised"),
    primaryUpdateMethod=one_of("switchover", "restart"),
    priorityClassName=TEXT,
    enablePDB=FLAG,
    enableSuperuserAccess=FLAG,
    bootstrap=fields(
        initdb=fields(
            database=TEXT, owner=TEXT, encoding=TEXT, dataChecksums=FLAG, secret=REFERENCE, postInitSQL=TEXTS
        )
    ),
    certificates=fields(serverTLSSecret=TEXT, serverCASecret=TEXT),
    monitoring=fields(tls=fields(enabled=FLAG)),
    inheritedMetadata=fields(labels=TEXT_BY_NAME, annotations=TEXT_BY_NAME),
    postgresql=fields(
        synchronous=fields(
            "method number",
            method=one_of("any", "first"),
            number={"type": "integer", "minimum": 1},
            dataDurability=one_of("required", "preferred"),
        ),
        pg_hba=TEXTS,
        parameters=TEXT_BY_NAME,
    ),
    resources=RESOURCES,
    ephemeralVolumesSizeLimit=fields(temporaryData=QUANTITY, shm=QUANTITY),
    storage=STORAGE,
    walStorage=STORAGE,
    affinity=fields(
        enablePodAntiAffinity=FLAG, podAntiAffinityType=one_of("preferred", "required"), topologyKey=TEXT
    ),
    topologySpreadConstraints={"type": "array", "items": SPREAD},
    backup=fields(
        volumeSnapshot=fields(
            className=TEXT, online=FLAG, snapshotOwnerReference=one_of("none", "cluster", "backup")
        )
    ),
)
POSTGRES_BACKUP = fields(
    "cluster schedule",
    cluster=REFERENCE,
    # Six fields: the first are seconds.
    schedule={"type": "string", "pattern": r"^(\S+ ){5}\S+$"},
    method=one_of("barmanObjectStore", "volumeSnapshot", "plugin"),
    backupOwnerReference=one_of("none", "self", "cluster"),
)
RABBITMQ_CLUSTER = fields(
    replicas={"enum": [1, 3, 5]},
    image=TEXT,
    tls=fields(secretName=TEXT, caSecretName=TEXT, disableNonTLSListeners=FLAG),
    persistence=fields(storageClassName=TEXT, storage=QUANTITY),
    resources=RESOURCES,
    rabbitmq=fields(additionalPlugins=TEXTS, additionalConfig=TEXT, advancedConfig=TEXT, envConfig=TEXT),
    # A PodTemplateSpec of Kubernetes, checked as one.
    override=fields(statefulSet=fields(spec=fields(template=fields(spec={"type": "object"})))),
)

SCHEMAS = {
    "postgresql.cnpg.io/v1 Cluster": resource(POSTGRES_CLUSTER),
    "postgresql.cnpg.io/v1 ScheduledBackup": resource(POSTGRES_BACKUP),
    "rabbitmq.com/v1beta1 RabbitmqCluster": resource(RABBITMQ_CLUSTER),
}
