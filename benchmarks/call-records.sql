-- One table of call records, made and filled in one transaction so that nothing goes through the write-ahead log.
SELECT setseed(0.4711) \g /dev/null
BEGIN;
CREATE TABLE cdr (
    id bigint NOT NULL, call_id uuid NOT NULL, exchange smallint NOT NULL, trunk text NOT NULL, calling text NOT NULL, called text NOT NULL,
    started timestamptz NOT NULL, answered timestamptz, ended timestamptz NOT NULL, seconds integer NOT NULL, cause smallint NOT NULL,
    codec text NOT NULL, jitter real, loss real, site text NOT NULL, raw text NOT NULL);
INSERT INTO cdr
SELECT id, md5(id::text || 'natalia')::uuid, id % 7, 'trunk-' || lpad((id % 120)::text, 3, '0'),
       '+331' || lpad((r1 * 99999999)::bigint::text, 8, '0'), '+49' || lpad((r2 * 9999999999)::bigint::text, 10, '0'),
       t, CASE WHEN r1 < 0.8 THEN t + r2 * interval '20 s' END, t + r2 * interval '20 s' + r3 * interval '9 min', (r3 * 540)::int, CASE WHEN r1 < 0.8 THEN 16 ELSE 17 + (r2 * 20)::int END,
       (ARRAY['G711A', 'G711U', 'G722', 'G729', 'OPUS'])[1 + id % 5], (r2 * 30)::real, CASE WHEN r3 < 0.1 THEN (r1 * 3)::real END,
       (ARRAY['paris', 'lyon', 'berlin', 'madrid'])[1 + (r1 * 3.99)::int % 4],
       'S=' || (id % 7) || ';N=' || id || ';D=' || to_char(t, 'YYYYMMDDHH24MISS') || ';R=' || CASE WHEN r1 < 0.8 THEN 'ANSWERED' ELSE 'NOANSWER' END || ';Q=' || (r2 * 100)::int || '/' || (r3 * 100)::int
FROM (SELECT id, timestamptz '2029-01-01 00:00:00Z' + id * interval '4 s' AS t, random() AS r1, random() AS r2, random() AS r3 FROM generate_series(1, :rows) AS id) AS calls;
ALTER TABLE cdr ADD PRIMARY KEY (id);
COMMIT;
VACUUM (FREEZE, ANALYZE) cdr;
CHECKPOINT;
