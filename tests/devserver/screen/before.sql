BEGIN TRANSACTION;
CREATE TABLE account (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
    agent_id TEXT NOT NULL, environment_id TEXT NOT NULL, inserted_at TEXT, updated_at TEXT,
    token TEXT);
INSERT INTO "account" VALUES(1,'01m8prpcbsjhtvdc9n7n952hzphd5crx','Local','01m8prpcbsjhtvdc9n7n952hzphd5cry','01m8prpcbsjhtvdc9n7n952hzphd5crz','2026-11-30T17:40:26.617498Z','2026-11-30T17:40:26.617498Z',NULL);
CREATE TABLE agent (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL, description TEXT,
    external_identifier TEXT UNIQUE, retired INTEGER NOT NULL DEFAULT 0, owner_person_id TEXT,
    risk_profile_id TEXT, team_id TEXT, inserted_at TEXT, updated_at TEXT);
INSERT INTO "agent" VALUES(1,'01m8prpcbsjhtvdc9n7n952hzphd5cry','Local agent',NULL,NULL,0,NULL,NULL,NULL,'2026-11-30T17:40:26.617498Z','2026-11-30T17:40:26.617498Z');
CREATE TABLE agent_deployment (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    environment_id TEXT NOT NULL, current_version_id TEXT, UNIQUE (agent_id, environment_id));
INSERT INTO "agent_deployment" VALUES(1,'01m8prpe9njhtvdcavkg6n2bw8qyccv7','01m8prpcbsjhtvdc9n7n952hzphd5cry','01m8prpcbsjhtvdc9n7n952hzphd5crz','01m8prpe9njhtvdcavkg6n2bw8qyccv5');
CREATE TABLE agent_instance (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    agent_version_id TEXT NOT NULL, agent_schema_version_id TEXT NOT NULL,
    environment_id TEXT NOT NULL, agent_deployment_id TEXT NOT NULL, status TEXT NOT NULL,
    purpose TEXT NOT NULL, external_identifier TEXT, started_at TEXT, finished_at TEXT,
    termination_reason TEXT, quality_payload TEXT, quality_payloads TEXT NOT NULL,
    inserted_at TEXT, updated_at TEXT, UNIQUE (agent_id, external_identifier));
INSERT INTO "agent_instance" VALUES(1,'01m8prpe9njhtvdcavkg6n2bw8qyccv4','01m8prpcbsjhtvdc9n7n952hzphd5cry','01m8prpe9njhtvdcavkg6n2bw8qyccv5','01m8prpe9njhtvdcavkg6n2bw8qyccv6','01m8prpcbsjhtvdc9n7n952hzphd5crz','01m8prpe9njhtvdcavkg6n2bw8qyccv7','complete','live',NULL,'2026-11-30T17:40:28.620647Z','2026-11-30T17:40:28.656070Z',NULL,NULL,'{}','2026-11-30T17:40:28.597905Z','2026-11-30T17:40:28.656090Z');
INSERT INTO "agent_instance" VALUES(2,'01m8prpebxjhtvdc1abxx8vrfmvzpjgc','01m8prpcbsjhtvdc9n7n952hzphd5cry','01m8prpe9njhtvdcavkg6n2bw8qyccv5','01m8prpe9njhtvdcavkg6n2bw8qyccv6','01m8prpcbsjhtvdc9n7n952hzphd5crz','01m8prpe9njhtvdcavkg6n2bw8qyccv7','pending','eval',NULL,NULL,NULL,NULL,NULL,'{}','2026-11-30T17:40:28.669363Z','2026-11-30T17:40:28.669363Z');
CREATE TABLE agent_schema_version (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    external_identifier TEXT, digest TEXT NOT NULL, definition TEXT NOT NULL);
INSERT INTO "agent_schema_version" VALUES(1,'01m8prpe9njhtvdcavkg6n2bw8qyccv6','01m8prpcbsjhtvdc9n7n952hzphd5cry','s1','b4071d243a7ebabfd33daab1ad1b3096','{"external_identifier":"s1","span_type_schemas":[{"name":"test:llm","title":"LLM call","params_schema":{"type":"object","properties":{"name":{"type":"string"}}},"result_schema":{"type":"object","required":["text"]},"template":"{{ name }} on {{ inputs.model }}"},{"name":"test:tool","params_schema":{"type":"object"}}]}');
CREATE TABLE agent_span (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    agent_instance_id TEXT NOT NULL, parent_span_id TEXT, schema_name TEXT NOT NULL,
    schema_title TEXT, status TEXT NOT NULL, purpose TEXT NOT NULL, payload TEXT NOT NULL,
    payload_bytes INTEGER NOT NULL, result_payload TEXT, mismatches TEXT NOT NULL, summary TEXT,
    sensitive_encoding INTEGER NOT NULL, started_at TEXT, finished_at TEXT,
    inserted_at TEXT, updated_at TEXT);
INSERT INTO "agent_span" VALUES(1,'01m8prpeakjhtvdc60pkn83axkkt2y0z','01m8prpcbsjhtvdc9n7n952hzphd5cry','01m8prpe9njhtvdcavkg6n2bw8qyccv4',NULL,'test:llm','LLM call','complete','live','{"name":"plan","inputs":{"messages":[{"role":"user","content":"Where is parcel 4711?"}]}}',89,'{"messages":[{"role":"assistant","content":"In Zürich."}]}','["result_payload.text: is missing"]','plan on ',0,'2026-11-30T17:40:28.627110Z','2026-11-30T17:40:28.648506Z','2026-11-30T17:40:28.627110Z','2026-11-30T17:40:28.648506Z');
INSERT INTO "agent_span" VALUES(2,'01m8prpeayjhtvdc74scx9drtp2whffk','01m8prpcbsjhtvdc9n7n952hzphd5cry','01m8prpe9njhtvdcavkg6n2bw8qyccv4','01m8prpeakjhtvdc60pkn83axkkt2y0z','test:llm','LLM call','failed','live','{"name":"look up","inputs":{"parcel":4711},"token_usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10},"error":{"error_type":"LookupError","message":"unknown depot"}}',180,NULL,'[]','look up on ',0,'2026-11-30T17:40:28.638283Z','2026-11-30T17:40:28.638283Z','2026-11-30T17:40:28.638283Z','2026-11-30T17:40:28.638283Z');
CREATE TABLE agent_version (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent_id TEXT NOT NULL,
    external_identifier TEXT, name TEXT, description TEXT, runtime_environment TEXT,
    UNIQUE (agent_id, external_identifier));
INSERT INTO "agent_version" VALUES(1,'01m8prpe9njhtvdcavkg6n2bw8qyccv5','01m8prpcbsjhtvdc9n7n952hzphd5cry','v1',NULL,NULL,NULL);
CREATE TABLE environment (
    seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, name TEXT NOT NULL);
INSERT INTO "environment" VALUES(1,'01m8prpcbsjhtvdc9n7n952hzphd5crz','development');
CREATE TABLE idempotency (
    operation TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL, answer TEXT NOT NULL,
    PRIMARY KEY (operation, key)) WITHOUT ROWID;
CREATE INDEX schema_of_agent ON agent_schema_version (agent_id);
CREATE INDEX span_of_instance ON agent_span (agent_instance_id, status);
CREATE INDEX span_of_agent ON agent_span (agent_id, id);
COMMIT;
