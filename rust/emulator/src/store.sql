CREATE TABLE IF NOT EXISTS devices (
    hub TEXT NOT NULL,
    id TEXT NOT NULL,
    generation_id TEXT NOT NULL,
    etag INTEGER NOT NULL,
    status TEXT NOT NULL,
    status_reason TEXT,
    status_updated INTEGER NOT NULL,
    auth_type TEXT NOT NULL,
    primary_key TEXT,
    secondary_key TEXT,
    primary_thumbprint TEXT,
    secondary_thumbprint TEXT,
    iot_edge INTEGER NOT NULL DEFAULT 0,
    created INTEGER NOT NULL,
    last_activity INTEGER NOT NULL DEFAULT 0,
    state_updated INTEGER NOT NULL DEFAULT 0,
    model_id TEXT NOT NULL DEFAULT '',
    twin_version INTEGER NOT NULL DEFAULT 1,
    tags TEXT NOT NULL DEFAULT '{}',
    desired TEXT NOT NULL DEFAULT '{}',
    desired_metadata TEXT NOT NULL DEFAULT '{}',
    desired_version INTEGER NOT NULL DEFAULT 1,
    reported TEXT NOT NULL DEFAULT '{}',
    reported_metadata TEXT NOT NULL DEFAULT '{}',
    reported_version INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (hub, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS certificates (
    scope TEXT NOT NULL,
    name TEXT NOT NULL,
    der BLOB NOT NULL,
    verified INTEGER NOT NULL,
    code TEXT,
    etag INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (scope, name)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS sessions (
    hub TEXT NOT NULL,
    device TEXT NOT NULL,
    features TEXT NOT NULL,
    PRIMARY KEY (hub, device)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS telemetry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    hub TEXT NOT NULL,
    device TEXT NOT NULL,
    enqueued INTEGER NOT NULL,
    body BLOB NOT NULL,
    properties TEXT NOT NULL,
    system TEXT NOT NULL,
    qos INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS c2d (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    hub TEXT NOT NULL,
    device TEXT NOT NULL,
    message_id TEXT NOT NULL,
    body BLOB NOT NULL,
    properties TEXT NOT NULL,
    system TEXT NOT NULL,
    ack TEXT NOT NULL,
    enqueued INTEGER NOT NULL,
    expiry INTEGER NOT NULL,
    delivery_count INTEGER NOT NULL DEFAULT 0,
    connection INTEGER,
    locked_until INTEGER
);
CREATE INDEX IF NOT EXISTS c2d_of_device ON c2d (hub, device, seq);

CREATE TABLE IF NOT EXISTS dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    hub TEXT NOT NULL,
    device TEXT NOT NULL,
    message_id TEXT NOT NULL,
    body BLOB NOT NULL,
    properties TEXT NOT NULL,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS feedback_records (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    hub TEXT NOT NULL,
    record TEXT NOT NULL,
    created INTEGER NOT NULL,
    lock_token TEXT,
    locked_until INTEGER
);
CREATE INDEX IF NOT EXISTS feedback_by_lock ON feedback_records (lock_token);

CREATE TABLE IF NOT EXISTS enrollments (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    etag INTEGER NOT NULL,
    document TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS registrations (
    id TEXT PRIMARY KEY,
    document TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS settings (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
