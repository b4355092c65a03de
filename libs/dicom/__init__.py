"""DICOM as pure functions: bytes or arrays in, facts out; no I/O of its own, no asyncio."""
