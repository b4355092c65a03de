"""Encrypted objects, and the keys that open them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from libs.common.errors import ConfigurationError
from libs.common.settings.tls import TlsSettings


class StorageSettings(TlsSettings):
    """For a service that writes or reads objects."""

    data_dir: Path = Field(Path("var"), description="Folder of everything that is kept on disk.")
    storage_url: str | None = Field(
        None,
        repr=False,  # may hold a password
        description="Where encrypted objects are kept: file:///folder, or GridFS (extra `gridfs`) in "
        "mongodb://user:password@host/database (w=majority&journal=true unless it says otherwise); unset: "
        "DATA_DIR/dicom_file.",
    )
    spool_dir: Path | None = Field(
        None,
        description="Folder on a disk where the processor puts the ciphertext of files that it decodes when "
        "objects are kept in MongoDB: two of MAX_FILE_BYTES for each of WORKER_SLOTS; unset: DATA_DIR/spool.",
    )
    keyring_file: Path | None = Field(
        None, description="File with the key-encryption keys; unset: DATA_DIR/keyring.json."
    )

    @property
    def stores_in_mongodb(self) -> bool:
        """Whether STORAGE_URL names MongoDB."""
        return self.storage_url is not None and self.storage_url.startswith(("mongodb://", "mongodb+srv://"))

    @property
    def storage_root(self) -> Path:
        """Folder of the `file:` object store. Raises ConfigurationError for other schemes."""
        if self.storage_url is None:
            return self.data_dir / "dicom_file"
        if not self.storage_url.startswith("file:"):
            raise ConfigurationError(
                "STORAGE_URL must start with file: or mongodb: (for example file:///var/lib/dicom)."
            )
        return Path(self.storage_url.removeprefix("file:").removeprefix("//") or "/")

    @property
    def spool_path(self) -> Path:
        """Where objects from MongoDB are spooled."""
        return self.spool_dir or self.data_dir / "spool"

    @property
    def keyring_path(self) -> Path:
        """Where the keyring lies."""
        return self.keyring_file or self.data_dir / "keyring.json"
