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

CREATE INDEX IF NOT EXISTS devices_by_status ON devices (hub, status, id);
-- Ids alone, so that looking for a part of one does not read the twins.
CREATE INDEX IF NOT EXISTS devices_by_id ON devices (hub, id);
CREATE INDEX IF NOT EXISTS devices_by_activity ON devices (hub, last_activity, id);
CREATE INDEX IF NOT EXISTS devices_never_seen ON devices (hub, id) WHERE last_activity = 0;

-- How many devices there are of each status, modules left out.
CREATE TABLE IF NOT EXISTS device_counts (
    hub TEXT NOT NULL,
    status TEXT NOT NULL,
    devices INTEGER NOT NULL,
    PRIMARY KEY (hub, status)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS one_device_more AFTER INSERT ON devices WHEN instr(new.id, '/') = 0
BEGIN
    INSERT INTO device_counts VALUES (new.hub, new.status, 1)
    ON CONFLICT (hub, status) DO UPDATE SET devices = devices + 1;
END;
CREATE TRIGGER IF NOT EXISTS one_device_less AFTER DELETE ON devices WHEN instr(old.id, '/') = 0
BEGIN
    UPDATE device_counts SET devices = devices - 1 WHERE hub = old.hub AND status = old.status;
END;
CREATE TRIGGER IF NOT EXISTS another_status AFTER UPDATE OF status ON devices
WHEN new.status != old.status AND instr(new.id, '/') = 0
BEGIN
    UPDATE device_counts SET devices = devices - 1 WHERE hub = old.hub AND status = old.status;
    INSERT INTO device_counts VALUES (new.hub, new.status, 1)
    ON CONFLICT (hub, status) DO UPDATE SET devices = devices + 1;
END;

-- Every text, number and boolean among the tags, by its path as json_tree writes it.
CREATE TABLE IF NOT EXISTS device_tags (
    hub TEXT NOT NULL,
    path TEXT NOT NULL,
    value NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (hub, path, value, id)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS tags_of_a_new_device AFTER INSERT ON devices WHEN new.tags != '{}'
BEGIN
    INSERT OR IGNORE INTO device_tags
    SELECT new.hub, fullkey, atom, new.id FROM json_tree(new.tags) WHERE atom IS NOT NULL;
END;
CREATE TRIGGER IF NOT EXISTS tags_changed AFTER UPDATE OF tags ON devices WHEN new.tags != old.tags
BEGIN
    DELETE FROM device_tags WHERE (hub, path, value, id) IN (
        SELECT old.hub, fullkey, atom, old.id FROM json_tree(old.tags) WHERE atom IS NOT NULL);
    INSERT OR IGNORE INTO device_tags
    SELECT new.hub, fullkey, atom, new.id FROM json_tree(new.tags) WHERE atom IS NOT NULL;
END;
CREATE TRIGGER IF NOT EXISTS tags_of_a_deleted_device AFTER DELETE ON devices WHEN old.tags != '{}'
BEGIN
    DELETE FROM device_tags WHERE (hub, path, value, id) IN (
        SELECT old.hub, fullkey, atom, old.id FROM json_tree(old.tags) WHERE atom IS NOT NULL);
END;

-- What management knows of a hub.
CREATE TABLE IF NOT EXISTS hubs (
    host TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    etag INTEGER NOT NULL
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

-- The partitions of each hub's built-in endpoint, and how far each has counted.
CREATE TABLE IF NOT EXISTS partitions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hub TEXT NOT NULL,
    number INTEGER NOT NULL,
    last_sequence INTEGER NOT NULL,
    last_offset INTEGER NOT NULL,
    last_enqueued INTEGER NOT NULL,
    UNIQUE (hub, number)
);

-- What is in them: telemetry, or an event of the hub, which stands behind the telemetry of that number.
CREATE TABLE IF NOT EXISTS partition_log (
    partition INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    enqueued INTEGER NOT NULL,
    telemetry INTEGER NOT NULL,
    event INTEGER,
    PRIMARY KEY (partition, sequence)
) WITHOUT ROWID;

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

CREATE TABLE IF NOT EXISTS file_uploads (
    correlation_id TEXT PRIMARY KEY,
    hub TEXT NOT NULL,
    device TEXT NOT NULL,
    blob TEXT NOT NULL,
    expiry INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS uploads_of_device ON file_uploads (hub, device);

CREATE TABLE IF NOT EXISTS file_notifications (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    hub TEXT NOT NULL,
    record TEXT NOT NULL,
    created INTEGER NOT NULL,
    lock_token TEXT,
    locked_until INTEGER
);

CREATE TABLE IF NOT EXISTS hub_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    hub TEXT NOT NULL,
    device TEXT NOT NULL,
    source TEXT NOT NULL,
    enqueued INTEGER NOT NULL,
    body TEXT NOT NULL,
    properties TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS event_sources (
    hub TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (hub, source)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS routing_rules (
    hub TEXT PRIMARY KEY,
    document TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS route_places (
    hub TEXT NOT NULL,
    endpoint TEXT NOT NULL,
    telemetry INTEGER NOT NULL,
    events INTEGER NOT NULL,
    PRIMARY KEY (hub, endpoint)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS configurations (
    hub TEXT NOT NULL,
    id TEXT NOT NULL,
    etag INTEGER NOT NULL,
    document TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    targeted INTEGER NOT NULL DEFAULT 0,
    applied INTEGER NOT NULL DEFAULT 0,
    results TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (hub, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS jobs (
    hub TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    document TEXT NOT NULL,
    created INTEGER NOT NULL,
    start INTEGER NOT NULL,
    ended INTEGER,
    failure TEXT,
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hub, id)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS device_jobs (
    hub TEXT NOT NULL,
    job TEXT NOT NULL,
    device TEXT NOT NULL,
    status TEXT NOT NULL,
    outcome TEXT,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    PRIMARY KEY (hub, job, device)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS device_jobs_by_status ON device_jobs (hub, job, status, device);

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

-- What was answered and is not yet in the tables: a row for each transaction.
CREATE TABLE IF NOT EXISTS later (
    seq INTEGER PRIMARY KEY,
    statements BLOB NOT NULL
);
