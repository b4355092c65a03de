-- Who may send by DIMSE: an AE title at an address, for which account, into which collection.
CREATE TABLE ingest.peer (
    id          uuid PRIMARY KEY,
    ae_title    text NOT NULL CHECK (length(ae_title) BETWEEN 1 AND 16),
    addresses   cidr[] NOT NULL CHECK (cardinality(addresses) BETWEEN 1 AND 64),
    certificate text CHECK (certificate ~ '^[0-9a-f]{64}$'),
    account_id  bigint NOT NULL,
    collection  text NOT NULL,
    active      boolean NOT NULL DEFAULT true,
    note        text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX peer_ae_title ON ingest.peer (ae_title);

COMMENT ON TABLE ingest.peer IS 'Who may send by DIMSE (C-STORE).';
COMMENT ON COLUMN ingest.peer.addresses IS 'Networks that it calls from; of several peers that fit, the one with the narrowest counts.';
COMMENT ON COLUMN ingest.peer.certificate IS 'SHA-256 of the TLS client certificate that it must show (DER, hexadecimal); null: none.';
COMMENT ON COLUMN ingest.peer.account_id IS 'Whom it acts for; the account''s rights are asked at each association.';
