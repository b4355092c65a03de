"""What this system calls itself in file meta information and associations (PS3.10 7.1, PS3.7 D.3.3.2)."""

IMPLEMENTATION_CLASS_UID = "2.25.136273149213205168237049018415291437021"
"""From a UUID (PS3.5 B.2)."""
IMPLEMENTATION_VERSION_NAME = "DICOM-SYSTEM"
