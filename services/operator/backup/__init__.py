"""Backup and restore of what the system keeps: PostgreSQL, objects and, apart from them, the keyring.

The database is dumped first, then the objects are copied: an object is durable before its row is written,
so every row of the dump has its object. The broker needs no backup: files whose events are lost with it are
queued again by `reconcile`, which ends every restore.
"""
