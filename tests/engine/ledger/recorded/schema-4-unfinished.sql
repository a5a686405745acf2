BEGIN TRANSACTION;
CREATE TABLE alert (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, message TEXT NOT NULL, severity REAL NOT NULL,
        wall INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL,
        acknowledged INTEGER NOT NULL, recovered INTEGER
    );
CREATE TABLE committed (protocol TEXT PRIMARY KEY, share REAL NOT NULL) WITHOUT ROWID;
INSERT INTO "committed" VALUES('compute',0.2);
INSERT INTO "committed" VALUES('relay',0.4);
INSERT INTO "committed" VALUES('storage',0.4);
CREATE TABLE decision (
        id INTEGER PRIMARY KEY, plan_id TEXT NOT NULL, wall INTEGER NOT NULL, verdict TEXT NOT NULL,
        reason TEXT NOT NULL, plan TEXT NOT NULL, inputs TEXT NOT NULL, UNIQUE (plan_id, verdict)
    );
INSERT INTO "decision" VALUES(1,'first',1772366400000000,'committed','','{"allocation":{"relay":0.4,"storage":0.4,"compute":0.2},"estimated_improvement":1.0,"estimated_cost":0.0,"net_benefit":24.0,"roi_percent":0.0,"confidence":null,"created_at":"2026-03-01T12:00:00Z","id":"first","current":{"relay":0.5,"storage":0.3,"compute":0.2},"current_earnings":null,"horizon_hours":24.0,"expires_at":null,"fingerprint":"","reasons":[],"prices":{},"certificate":{}}','');
INSERT INTO "decision" VALUES(2,'second',1772370300000000,'rolled_back','compute refused: not now','{"allocation":{"relay":0.4,"storage":0.35,"compute":0.25},"estimated_improvement":1.0,"estimated_cost":0.0,"net_benefit":24.0,"roi_percent":0.0,"confidence":null,"created_at":"2026-03-01T12:00:00Z","id":"second","current":{"relay":0.4,"storage":0.4,"compute":0.2},"current_earnings":null,"horizon_hours":24.0,"expires_at":null,"fingerprint":"","reasons":[],"prices":{},"certificate":{}}','');
CREATE TABLE frozen (protocol TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('epoch','2');
CREATE TABLE operation (
        id INTEGER PRIMARY KEY, plan_id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
        before TEXT NOT NULL, after TEXT NOT NULL, wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL,
        epoch INTEGER NOT NULL, rounds INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT ''
    );
INSERT INTO "operation" VALUES(1,'first','move','committed','{"relay": 0.5, "storage": 0.3, "compute": 0.2}','{"relay": 0.4, "storage": 0.4, "compute": 0.2}',1772366400000000,0.0,'recorded',1,0,'');
INSERT INTO "operation" VALUES(2,'second','move','rolled_back','{"relay": 0.4, "storage": 0.4, "compute": 0.2}','{"relay": 0.4, "storage": 0.35, "compute": 0.25}',1772370300000000,3900.0,'recorded',1,0,'compute refused: not now');
INSERT INTO "operation" VALUES(3,'third','move','applying','{"relay": 0.4, "storage": 0.4, "compute": 0.2}','{"relay": 0.3, "storage": 0.4, "compute": 0.3}',1772374200000000,7800.0,'recorded',1,0,'');
CREATE TABLE step (
        id INTEGER PRIMARY KEY, operation INTEGER NOT NULL REFERENCES operation (id), kind TEXT NOT NULL,
        protocol TEXT NOT NULL, before REAL NOT NULL, after REAL NOT NULL, state TEXT NOT NULL,
        wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL,
        may_act INTEGER NOT NULL DEFAULT 1, open INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '',
        asked INTEGER
    );
INSERT INTO "step" VALUES(1,1,'move','relay',0.5,0.4,'confirmed',1772366400000000,0.0,'recorded',0,0,'',1772366400000000);
INSERT INTO "step" VALUES(2,1,'move','storage',0.3,0.4,'confirmed',1772366400000000,0.0,'recorded',0,0,'',1772366400000000);
INSERT INTO "step" VALUES(3,2,'move','storage',0.4,0.35,'confirmed',1772370300000000,3900.0,'recorded',0,0,'',1772370300000000);
INSERT INTO "step" VALUES(4,2,'move','compute',0.2,0.25,'refused',1772370300000000,3900.0,'recorded',0,0,'not now',1772370300000000);
INSERT INTO "step" VALUES(5,2,'rollback','storage',0.35,0.4,'confirmed',1772370300000000,3900.0,'recorded',0,0,'',1772370300000000);
INSERT INTO "step" VALUES(6,3,'move','relay',0.4,0.3,'sent',1772374200000000,7800.0,'recorded',1,1,'',1772374200000000);
INSERT INTO "step" VALUES(7,3,'move','compute',0.2,0.3,'intent',1772374200000000,7800.0,'recorded',1,0,'',NULL);
CREATE TABLE touched (
        protocol TEXT PRIMARY KEY, wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "touched" VALUES('compute',1772370300000000,3900.0,'recorded');
INSERT INTO "touched" VALUES('relay',1772374200000000,7800.0,'recorded');
INSERT INTO "touched" VALUES('storage',1772370300000000,3900.0,'recorded');
CREATE TABLE waiting (
        one INTEGER PRIMARY KEY CHECK (one = 1), plan_id TEXT NOT NULL, plan TEXT NOT NULL,
        wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL, confirmed INTEGER NOT NULL
    );
CREATE INDEX operation_state ON operation (state);
CREATE INDEX operation_plan ON operation (plan_id);
CREATE INDEX operation_kind ON operation (kind, id);
CREATE INDEX step_operation ON step (operation);
CREATE INDEX step_open ON step (open) WHERE open = 1;
CREATE INDEX alert_key ON alert (key, recovered);
CREATE INDEX step_protocol ON step (protocol, id);
CREATE INDEX alert_open ON alert (key) WHERE recovered IS NULL;
COMMIT;
PRAGMA user_version = 4;
