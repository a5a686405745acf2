PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE alert (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, message TEXT NOT NULL, severity REAL NOT NULL,
        wall INTEGER NOT NULL, last_seen INTEGER NOT NULL, count INTEGER NOT NULL,
        acknowledged INTEGER NOT NULL, recovered INTEGER
    );
CREATE TABLE committed (protocol TEXT PRIMARY KEY, share REAL NOT NULL) WITHOUT ROWID;
INSERT INTO "committed" VALUES('compute',0.8);
INSERT INTO "committed" VALUES('relay',1.99999999999999955591e-01);
CREATE TABLE decision (
        id INTEGER PRIMARY KEY, plan_id TEXT NOT NULL, wall INTEGER NOT NULL, verdict TEXT NOT NULL,
        reason TEXT NOT NULL, plan TEXT NOT NULL, inputs TEXT NOT NULL, UNIQUE (plan_id, verdict)
    );
INSERT INTO "decision" VALUES(1,'20260101T000000-214639d6',1767225600000000,'planned','compute takes 20 % (0.40 -> 0.60): +0.6 USD/h, at max_change 0.20; relay gives 20 % (0.60 -> 0.40): -0.2 USD/h, at max_change 0.20; net benefit 9.6 USD over 24 h: +0.4 USD/h x 24 h - cost 0 USD','{"allocation":{"compute":0.6000000000000001,"relay":0.39999999999999997},"estimated_improvement":0.40000000000000036,"estimated_cost":0.0,"net_benefit":9.600000000000009,"roi_percent":0.0,"confidence":null,"created_at":"2026-01-01T00:00:00Z","id":"20260101T000000-214639d6","current":{"compute":0.4,"relay":0.6},"current_earnings":1.8000000000000003,"horizon_hours":24.0,"expires_at":"2026-01-01T00:05:00Z","fingerprint":"214639d6716c5cd129dfa3b915940a9efe258dda4df6120ded014637f869e66a","reasons":["compute takes 20 % (0.40 -> 0.60): +0.6 USD/h, at max_change 0.20","relay gives 20 % (0.60 -> 0.40): -0.2 USD/h, at max_change 0.20","net benefit 9.6 USD over 24 h: +0.4 USD/h x 24 h - cost 0 USD"],"prices":{"capacity":[1.0,2.0211196894379437],"max_change compute":[0.0,1.0211196894379437],"max_change relay":[0.0,1.0211196894379437]},"certificate":{"objective":48.10137450930213,"worst_residual":5.551115123125783e-17,"worst_place":"bound of increase compute","integrality":0.0,"bound":48.10137450930213,"bound_from":"row prices","gap":0.0,"scale":48.50687254651065,"tolerance":1e-9,"gap_tolerance":1e-9}}','{"fingerprint": "214639d6716c5cd129dfa3b915940a9efe258dda4df6120ded014637f869e66a", "problem": {"horizon_hours": 24.0, "limits": {"max_change": 0.2}, "protocols": {"compute": {"current": 0.4, "curve": {"shares": [0.0, 0.4], "earnings": [0.0, 1.2000000000000002], "last_slope": 2.0211196894379437}, "move_cost_in": 0.0}, "relay": {"current": 0.6, "curve": {"shares": [0.0, 0.6], "earnings": [0.0, 0.6], "last_slope": 0.6737065631459811}, "move_cost_in": 0.0}}}, "plain": {"horizon_hours": 24.0, "limits": {"max_change": 0.2}, "protocols": {"compute": {"current": 0.4, "rate": 3.0000000000000004, "move_cost_in": 0.0}, "relay": {"current": 0.6, "rate": 1.0, "move_cost_in": 0.0}}}}');
INSERT INTO "decision" VALUES(2,'20260101T000000-214639d6',1767225600000000,'committed','','{"allocation":{"compute":0.6000000000000001,"relay":0.39999999999999997},"estimated_improvement":0.40000000000000036,"estimated_cost":0.0,"net_benefit":9.600000000000009,"roi_percent":0.0,"confidence":null,"created_at":"2026-01-01T00:00:00Z","id":"20260101T000000-214639d6","current":{"compute":0.4,"relay":0.6},"current_earnings":1.8000000000000003,"horizon_hours":24.0,"expires_at":"2026-01-01T00:05:00Z","fingerprint":"214639d6716c5cd129dfa3b915940a9efe258dda4df6120ded014637f869e66a","reasons":["compute takes 20 % (0.40 -> 0.60): +0.6 USD/h, at max_change 0.20","relay gives 20 % (0.60 -> 0.40): -0.2 USD/h, at max_change 0.20","net benefit 9.6 USD over 24 h: +0.4 USD/h x 24 h - cost 0 USD"],"prices":{"capacity":[1.0,2.0211196894379437],"max_change compute":[0.0,1.0211196894379437],"max_change relay":[0.0,1.0211196894379437]},"certificate":{"objective":48.10137450930213,"worst_residual":5.551115123125783e-17,"worst_place":"bound of increase compute","integrality":0.0,"bound":48.10137450930213,"bound_from":"row prices","gap":0.0,"scale":48.50687254651065,"tolerance":1e-9,"gap_tolerance":1e-9}}','');
INSERT INTO "decision" VALUES(3,'20260101T010000-06ad0cfb',1767229200000000,'planned','relay gives 20 % (0.40 -> 0.20): -0.2 USD/h, at max_change 0.20; compute takes 20 % (0.60 -> 0.80): +0.6 USD/h, at max_change 0.20; net benefit 9.6 USD over 24 h: +0.4 USD/h x 24 h - cost 0 USD','{"allocation":{"compute":0.8,"relay":0.19999999999999996},"estimated_improvement":0.40000000000000036,"estimated_cost":0.0,"net_benefit":9.600000000000009,"roi_percent":0.0,"confidence":null,"created_at":"2026-01-01T01:00:00Z","id":"20260101T010000-06ad0cfb","current":{"compute":0.6000000000000001,"relay":0.39999999999999997},"current_earnings":2.2,"horizon_hours":24.0,"expires_at":"2026-01-01T01:05:00Z","fingerprint":"06ad0cfb92a4e96e832b57ce1fee88f25ba95e236d1e8460aa18aadce29bcfb6","reasons":["relay gives 20 % (0.40 -> 0.20): -0.2 USD/h, at max_change 0.20","compute takes 20 % (0.60 -> 0.80): +0.6 USD/h, at max_change 0.20","net benefit 9.6 USD over 24 h: +0.4 USD/h x 24 h - cost 0 USD"],"prices":{"capacity":[1.0,2.9866923857410863],"max_change compute":[0.0,1.986692385741086],"max_change relay":[0.0,1.986692385741086]},"certificate":{"objective":62.33612345155722,"worst_residual":0.0,"worst_place":"none","integrality":0.0,"bound":62.336123451557214,"bound_from":"row prices","gap":0.0,"scale":71.68061725778607,"tolerance":1e-9,"gap_tolerance":1e-9}}','{"fingerprint": "06ad0cfb92a4e96e832b57ce1fee88f25ba95e236d1e8460aa18aadce29bcfb6", "problem": {"horizon_hours": 24.0, "limits": {"max_change": 0.2}, "protocols": {"compute": {"current": 0.6000000000000001, "curve": {"shares": [0.0, 0.6000000000000001], "earnings": [0.0, 1.8000000000000003], "last_slope": 2.9866923857410863}, "move_cost_in": 0.0}, "relay": {"current": 0.39999999999999997, "curve": {"shares": [0.0, 0.39999999999999997], "earnings": [0.0, 0.39999999999999997], "last_slope": 0.9955641285803621}, "move_cost_in": 0.0}}}, "plain": {"horizon_hours": 24.0, "limits": {"max_change": 0.2}, "protocols": {"compute": {"current": 0.6000000000000001, "rate": 3.0, "move_cost_in": 0.0}, "relay": {"current": 0.39999999999999997, "rate": 1.0, "move_cost_in": 0.0}}}}');
INSERT INTO "decision" VALUES(4,'20260101T010000-06ad0cfb',1767229200000000,'committed','','{"allocation":{"compute":0.8,"relay":0.19999999999999996},"estimated_improvement":0.40000000000000036,"estimated_cost":0.0,"net_benefit":9.600000000000009,"roi_percent":0.0,"confidence":null,"created_at":"2026-01-01T01:00:00Z","id":"20260101T010000-06ad0cfb","current":{"compute":0.6000000000000001,"relay":0.39999999999999997},"current_earnings":2.2,"horizon_hours":24.0,"expires_at":"2026-01-01T01:05:00Z","fingerprint":"06ad0cfb92a4e96e832b57ce1fee88f25ba95e236d1e8460aa18aadce29bcfb6","reasons":["relay gives 20 % (0.40 -> 0.20): -0.2 USD/h, at max_change 0.20","compute takes 20 % (0.60 -> 0.80): +0.6 USD/h, at max_change 0.20","net benefit 9.6 USD over 24 h: +0.4 USD/h x 24 h - cost 0 USD"],"prices":{"capacity":[1.0,2.9866923857410863],"max_change compute":[0.0,1.986692385741086],"max_change relay":[0.0,1.986692385741086]},"certificate":{"objective":62.33612345155722,"worst_residual":0.0,"worst_place":"none","integrality":0.0,"bound":62.336123451557214,"bound_from":"row prices","gap":0.0,"scale":71.68061725778607,"tolerance":1e-9,"gap_tolerance":1e-9}}','');
CREATE TABLE frozen (protocol TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "meta" VALUES('epoch','1');
CREATE TABLE operation (
        id INTEGER PRIMARY KEY, plan_id TEXT NOT NULL, kind TEXT NOT NULL, state TEXT NOT NULL,
        before TEXT NOT NULL, after TEXT NOT NULL, wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL,
        epoch INTEGER NOT NULL, rounds INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT ''
    );
INSERT INTO "operation" VALUES(1,'20260101T000000-214639d6','move','committed','{"relay": 0.6, "compute": 0.4}','{"relay": 0.39999999999999997, "compute": 0.6000000000000001}',1767225600000000,0.0,'ManualClock-140411860851664',1,0,'');
INSERT INTO "operation" VALUES(2,'20260101T010000-06ad0cfb','move','committed','{"relay": 0.39999999999999997, "compute": 0.6000000000000001}','{"relay": 0.19999999999999996, "compute": 0.8}',1767229200000000,3600.0,'ManualClock-140411860851664',1,0,'');
CREATE TABLE step (
        id INTEGER PRIMARY KEY, operation INTEGER NOT NULL REFERENCES operation (id), kind TEXT NOT NULL,
        protocol TEXT NOT NULL, before REAL NOT NULL, after REAL NOT NULL, state TEXT NOT NULL,
        wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL,
        may_act INTEGER NOT NULL DEFAULT 1, open INTEGER NOT NULL DEFAULT 0, detail TEXT NOT NULL DEFAULT '',
        asked INTEGER
    );
INSERT INTO "step" VALUES(1,1,'move','relay',0.6,3.99999999999999966693e-01,'confirmed',1767225600000000,0.0,'ManualClock-140411860851664',0,0,'',1767225600000000);
INSERT INTO "step" VALUES(2,1,'move','compute',0.4,6.00000000000000088817e-01,'confirmed',1767225600000000,0.0,'ManualClock-140411860851664',0,0,'',1767225600000000);
INSERT INTO "step" VALUES(3,2,'move','relay',3.99999999999999966693e-01,1.99999999999999955591e-01,'confirmed',1767229200000000,3600.0,'ManualClock-140411860851664',0,0,'',1767229200000000);
INSERT INTO "step" VALUES(4,2,'move','compute',6.00000000000000088817e-01,0.8,'confirmed',1767229200000000,3600.0,'ManualClock-140411860851664',0,0,'',1767229200000000);
CREATE TABLE touched (
        protocol TEXT PRIMARY KEY, wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL
    ) WITHOUT ROWID;
INSERT INTO "touched" VALUES('compute',1767229200000000,3600.0,'ManualClock-140411860851664');
INSERT INTO "touched" VALUES('relay',1767229200000000,3600.0,'ManualClock-140411860851664');
CREATE TABLE waiting (
        one INTEGER PRIMARY KEY CHECK (one = 1), plan_id TEXT NOT NULL, plan TEXT NOT NULL,
        wall INTEGER NOT NULL, steady REAL NOT NULL, boot TEXT NOT NULL, confirmed INTEGER NOT NULL
    );
CREATE INDEX operation_state ON operation (state);
CREATE INDEX operation_plan ON operation (plan_id);
CREATE INDEX operation_kind ON operation (kind, id);
CREATE INDEX step_operation ON step (operation);
CREATE INDEX step_protocol ON step (protocol, id);
CREATE INDEX step_open ON step (open) WHERE open = 1;
CREATE INDEX alert_key ON alert (key, recovered);
COMMIT;
