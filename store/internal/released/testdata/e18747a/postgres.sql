--
-- PostgreSQL database dump
--

\restrict 5Y6XyWM5xZd6y9CpjqhSbtLtWtpwysv5pH4LIf9vw6LQLmUsYoF3gTu9zgBAKKe

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

--
-- Name: oneseat_json(text); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.oneseat_json(stored text) RETURNS jsonb
    LANGUAGE plpgsql IMMUTABLE
    AS $$
BEGIN
	RETURN replace(stored, '\u0000', '\ufffd')::jsonb;
EXCEPTION WHEN data_exception THEN
	RETURN NULL;
END $$;


--
-- Name: oneseat_late(); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.oneseat_late() RETURNS boolean
    LANGUAGE plpgsql
    AS $$
BEGIN
	RAISE EXCEPTION 'oneseat: the row was locked for too long: the decision is made again' USING ERRCODE = 'ON001';
END $$;


--
-- Name: oneseat_time(jsonb); Type: FUNCTION; Schema: public; Owner: -
--

CREATE FUNCTION public.oneseat_time(micros jsonb) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE
    AS $$ SELECT timestamptz 'epoch' + (micros #>> '{}')::bigint * interval '1 microsecond' $$;


SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: oneseat_events; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.oneseat_events (
    id bigint NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    key bytea NOT NULL,
    version bigint NOT NULL,
    realm text NOT NULL COLLATE pg_catalog."C",
    account text NOT NULL COLLATE pg_catalog."C",
    events text NOT NULL
);


--
-- Name: oneseat_events_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

ALTER TABLE public.oneseat_events ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.oneseat_events_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);


--
-- Name: oneseat_history; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.oneseat_history AS
 SELECT l.id,
    ((e.e ->> 'at'::text))::timestamp with time zone AS at,
    l.realm,
    l.account,
    (e.e ->> 'type'::text) AS event,
    (e.e ->> 'reason'::text) AS reason,
    (e.e ->> 'session'::text) AS session,
    ((e.e -> 'device'::text) ->> 'label'::text) AS device,
    ((e.e -> 'device'::text) ->> 'ip'::text) AS ip,
    (e.e ->> 'by'::text) AS by_session,
    ((e.e -> 'by_device'::text) ->> 'label'::text) AS by_device,
    (e.e ->> 'actor'::text) AS actor
   FROM (public.oneseat_events l
     CROSS JOIN LATERAL jsonb_path_query(public.oneseat_json(l.events), '$[*]'::jsonpath) e(e))
  WHERE (l.account <> ''::text);


--
-- Name: oneseat_meta; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.oneseat_meta (
    one boolean DEFAULT true NOT NULL,
    incarnation text NOT NULL,
    floor bigint NOT NULL,
    trimmed xid8 NOT NULL,
    CONSTRAINT oneseat_meta_one_check CHECK (one)
);


--
-- Name: oneseat_migrations; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.oneseat_migrations (
    number integer NOT NULL,
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: oneseat_rosters; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.oneseat_rosters (
    key bytea NOT NULL,
    version bigint NOT NULL,
    due timestamp with time zone,
    realm text NOT NULL COLLATE pg_catalog."C",
    account text NOT NULL COLLATE pg_catalog."C",
    roster text,
    CONSTRAINT oneseat_rosters_key_check CHECK ((octet_length(key) = 16))
)
WITH (autovacuum_vacuum_scale_factor='0.05', autovacuum_analyze_scale_factor='0.05');


--
-- Name: oneseat_playing; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.oneseat_playing AS
 SELECT r.realm,
    r.account,
    (s.s ->> 'id'::text) AS stream,
    (s.s ->> 'parent'::text) AS session,
    ((s.s -> 'device'::text) ->> 'label'::text) AS device,
    public.oneseat_time((s.s -> 'created'::text)) AS since,
    public.oneseat_time((s.s -> 'last_seen'::text)) AS last_heartbeat
   FROM (public.oneseat_rosters r
     CROSS JOIN LATERAL jsonb_path_query(public.oneseat_json(r.roster), '$."seats"[*]'::jsonpath) s(s))
  WHERE ((s.s ->> 'parent'::text) IS NOT NULL);


--
-- Name: oneseat_signed_in; Type: VIEW; Schema: public; Owner: -
--

CREATE VIEW public.oneseat_signed_in AS
 SELECT r.realm,
    r.account,
    (s.s ->> 'id'::text) AS session,
    ((s.s -> 'device'::text) ->> 'label'::text) AS device,
    ((s.s -> 'device'::text) ->> 'class'::text) AS class,
    ((s.s -> 'device'::text) ->> 'ip'::text) AS ip,
    public.oneseat_time((s.s -> 'created'::text)) AS signed_in_at,
    public.oneseat_time((s.s -> 'last_seen'::text)) AS last_seen_at
   FROM (public.oneseat_rosters r
     CROSS JOIN LATERAL jsonb_path_query(public.oneseat_json(r.roster), '$."seats"[*]'::jsonpath) s(s))
  WHERE ((r.account <> ''::text) AND ((s.s ->> 'parent'::text) IS NULL) AND (COALESCE(((s.s ->> 'epoch'::text))::numeric, (0)::numeric) >= COALESCE(( SELECT ((public.oneseat_json(c.roster) ->> 'epoch'::text))::numeric AS "numeric"
           FROM public.oneseat_rosters c
          WHERE ((c.realm = r.realm) AND (c.account = ''::text))), (0)::numeric)));


--
-- Data for Name: oneseat_events; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (1, '728', '\x6177288716836ee29f089b6a29a9abc5', 4102444800000001, 'default', 'ada', '[{"type":"session_created","realm":"default","account":"ada","session":"DVKTU56DFXDLGFVJ55YHEAS7SY","at":"2100-01-01T00:00:00Z","version":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (2, '730', '\x6177288716836ee29f089b6a29a9abc5', 4102444800000002, 'default', 'ada', '[{"type":"session_ended","realm":"default","account":"ada","session":"DVKTU56DFXDLGFVJ55YHEAS7SY","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"reason":"displaced","by":"UBRJJFG4V3QR33U7NAT53W2VAF","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"by_device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}},{"type":"session_created","realm":"default","account":"ada","session":"UBRJJFG4V3QR33U7NAT53W2VAF","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (3, '732', '\x6177288716836ee29f089b6a29a9abc5', 4102444800000003, 'default', 'ada', '[{"type":"session_ended","realm":"default","account":"ada","session":"UBRJJFG4V3QR33U7NAT53W2VAF","at":"2100-01-01T00:00:00.000002Z","version":4102444800000003,"reason":"renewed","by":"BIJCMHVV2HIRTJ2EYJSB7DZSNL","device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"},"by_device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}},{"type":"session_created","realm":"default","account":"ada","session":"BIJCMHVV2HIRTJ2EYJSB7DZSNL","at":"2100-01-01T00:00:00.000002Z","version":4102444800000003,"device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (4, '734', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000001, 'default', 'grace', '[{"type":"session_created","realm":"default","account":"grace","session":"3QQR4LO6TKKU5NZ6PR2MA6XTSY","at":"2100-01-01T00:00:00Z","version":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (5, '735', '\x6177288716836ee29f089b6a29a9abc5', 4102444800000004, 'default', 'ada', '[{"type":"session_used_after_end","realm":"default","account":"ada","session":"DVKTU56DFXDLGFVJ55YHEAS7SY","at":"2100-01-01T00:00:00.000003Z","version":4102444800000004,"reason":"displaced","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (6, '737', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000002, 'default', 'grace', '[{"type":"session_created","realm":"default","account":"grace","session":"TX2TS4XBDFT5T4BSQL5DBHPSOJ","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (7, '738', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000003, 'default', 'grace', '[{"type":"session_created","realm":"default","account":"grace","session":"SNIPPXZNMFFAHEV6GWVOYODA4F","at":"2100-01-01T00:00:00.000002Z","version":4102444800000003,"device":{"label":"Television","class":"tv"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (8, '740', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000004, 'default', 'grace', '[{"type":"session_ended","realm":"default","account":"grace","session":"3QQR4LO6TKKU5NZ6PR2MA6XTSY","at":"2100-01-01T00:00:00.000003Z","version":4102444800000004,"reason":"displaced","by":"VUMSYKFYKRAKGHUC6ZB466ZODR","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"by_device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}},{"type":"session_created","realm":"default","account":"grace","session":"VUMSYKFYKRAKGHUC6ZB466ZODR","at":"2100-01-01T00:00:00.000003Z","version":4102444800000004,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (9, '741', '\x6177288716836ee29f089b6a29a9abc5', 4102444800000005, 'default', 'ada', '[{"type":"session_used_after_end","realm":"default","account":"ada","session":"UBRJJFG4V3QR33U7NAT53W2VAF","at":"2100-01-01T00:00:00.000004Z","version":4102444800000005,"reason":"renewed","device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (10, '744', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000005, 'default', 'grace', '[{"type":"stream_started","realm":"default","account":"grace","session":"BIAQ2BVEQODICELXXSK42YJEHD","parent":"SNIPPXZNMFFAHEV6GWVOYODA4F","at":"2100-01-01T00:00:00.000004Z","version":4102444800000005,"device":{"label":"Television","class":"tv"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (11, '745', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000006, 'default', 'grace', '[{"type":"stream_started","realm":"default","account":"grace","session":"VJZE6WGBGIMEFJ24X26YOSAGX7","parent":"SNIPPXZNMFFAHEV6GWVOYODA4F","at":"2100-01-01T00:00:00.000005Z","version":4102444800000006,"device":{"label":"Television","class":"tv"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (12, '746', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000007, 'default', 'grace', '[{"type":"stream_ended","realm":"default","account":"grace","session":"BIAQ2BVEQODICELXXSK42YJEHD","parent":"SNIPPXZNMFFAHEV6GWVOYODA4F","at":"2100-01-01T00:00:00.000006Z","version":4102444800000007,"reason":"signed_out","by":"SNIPPXZNMFFAHEV6GWVOYODA4F","device":{"label":"Television","class":"tv"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (13, '749', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000008, 'default', 'grace', '[{"type":"session_ended","realm":"default","account":"grace","session":"TX2TS4XBDFT5T4BSQL5DBHPSOJ","at":"2100-01-01T00:00:00.000007Z","version":4102444800000008,"reason":"signed_out","by":"TX2TS4XBDFT5T4BSQL5DBHPSOJ","device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (14, '751', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000009, 'default', 'grace', '[{"type":"session_ended","realm":"default","account":"grace","session":"VUMSYKFYKRAKGHUC6ZB466ZODR","at":"2100-01-01T00:00:00.000008Z","version":4102444800000009,"reason":"revoked","by":"SNIPPXZNMFFAHEV6GWVOYODA4F","actor":"grace","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"by_device":{"label":"Television","class":"tv"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (15, '753', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000010, 'default', 'grace', '[{"type":"session_used_after_end","realm":"default","account":"grace","session":"3QQR4LO6TKKU5NZ6PR2MA6XTSY","at":"2100-01-01T00:00:00.000009Z","version":4102444800000010,"reason":"displaced","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (16, '754', '\xe15a979dde9162d56abe5e852e1c414b', 4102444800000001, 'default', 'mallory', '[{"type":"session_created","realm":"default","account":"mallory","session":"JCWODFJLD3AUVSHMSQC47VXY3P","at":"2100-01-01T00:00:00Z","version":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (17, '756', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000011, 'default', 'grace', '[{"type":"session_used_after_end","realm":"default","account":"grace","session":"TX2TS4XBDFT5T4BSQL5DBHPSOJ","at":"2100-01-01T00:00:00.00001Z","version":4102444800000011,"reason":"signed_out","device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (18, '758', '\x2713abcf000ee55192ba3034ec0dc543', 4102444800000012, 'default', 'grace', '[{"type":"session_used_after_end","realm":"default","account":"grace","session":"VUMSYKFYKRAKGHUC6ZB466ZODR","at":"2100-01-01T00:00:00.000011Z","version":4102444800000012,"reason":"revoked","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (19, '761', '\xe15a979dde9162d56abe5e852e1c414b', 4102444800000002, 'default', 'mallory', '[{"type":"session_ended","realm":"default","account":"mallory","session":"JCWODFJLD3AUVSHMSQC47VXY3P","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"reason":"account_blocked","actor":"support","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}},{"type":"account_blocked","realm":"default","account":"mallory","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"actor":"support","until":"2150-01-01T00:00:00Z"}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (20, '762', '\xe15a979dde9162d56abe5e852e1c414b', 4102444800000003, 'default', 'mallory', '[{"type":"session_used_after_end","realm":"default","account":"mallory","session":"JCWODFJLD3AUVSHMSQC47VXY3P","at":"2100-01-01T00:00:00.000002Z","version":4102444800000003,"reason":"account_blocked","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (23, '766', '\x14fc98920df37fc01b8a19364f5bb9ac', 4102444800000001, 'default', 'dave', '[{"type":"session_created","realm":"default","account":"dave","session":"HMJODSK2BPTJK6ABMOOSJEH6EL","at":"2100-01-01T00:00:00Z","version":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (21, '763', '\xac74822bf56397c0862be6a4fa6462cd', 4102444800000001, 'default', 'eve', '[{"type":"account_blocked","realm":"default","account":"eve","at":"2100-01-01T00:00:00Z","version":4102444800000001,"actor":"support"}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (22, '765', '\xac74822bf56397c0862be6a4fa6462cd', 4102444800000002, 'default', 'eve', '[{"type":"account_unblocked","realm":"default","account":"eve","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"actor":"support"}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (32, '786', '\x84f1b4883ac68ba141d55525f8bc535b', 4102444800000003, 'default', 'heidi', '[{"type":"session_used_after_end","realm":"default","account":"heidi","session":"DXCED5LSFEZHLVWS7ZDWFKWEJR","at":"2100-01-01T00:00:00.000002Z","version":4102444800000003,"reason":"credentials_changed","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (35, '795', '\xa165f15d3b8670e89aa6fcbdf040c5aa', 4102444800000001, 'over', 'ada', '[{"type":"session_created","realm":"over","account":"ada","session":"WBEDBX4IHDAE5YYNBGNY3REWG2","at":"2100-01-01T00:00:00Z","version":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (36, '797', '\x940763f350a773a7cd4a5da01c0f7570', 4102444800000002, 'over', '', '[{"type":"realm_ended","realm":"over","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"actor":"support"}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (37, '800', '\xa165f15d3b8670e89aa6fcbdf040c5aa', 4102444800000002, 'over', 'ada', '[{"type":"session_ended","realm":"over","account":"ada","session":"WBEDBX4IHDAE5YYNBGNY3REWG2","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"reason":"realm_ended","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}},{"type":"session_created","realm":"over","account":"ada","session":"HWAN3CWCMFWORJ3KU5BKZA7HMG","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (24, '769', '\x14fc98920df37fc01b8a19364f5bb9ac', 4102444800000002, 'default', 'dave', '[{"type":"signin_asked","realm":"default","account":"dave","session":"27FHF7CDG2OL5NUAKUTU5JAZ66","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (33, '790', '\xcf7d4a68c63f59905aa7a4b491d1cb64', 4102444800000001, 'observed', 'ada', '[{"type":"session_created","realm":"observed","account":"ada","session":"DBNAKPSP4C2XGA36WPAZM4JV5R","at":"2100-01-01T00:00:00Z","version":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (34, '792', '\xcf7d4a68c63f59905aa7a4b491d1cb64', 4102444800000002, 'observed', 'ada', '[{"type":"session_would_end","realm":"observed","account":"ada","session":"DBNAKPSP4C2XGA36WPAZM4JV5R","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"reason":"displaced","by":"QANW7TDOMPW6UZQ4CXKEZKJBEZ","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"by_device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}},{"type":"session_created","realm":"observed","account":"ada","session":"QANW7TDOMPW6UZQ4CXKEZKJBEZ","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (25, '770', '\xdef82ca40dedd3ba24854a66b4a2e3cd', 4102444800000001, 'default', 'erin', '[{"type":"limit_changed","realm":"default","account":"erin","at":"2100-01-01T00:00:00Z","version":4102444800000001,"actor":"support","limits":{"total":3,"classes":{"mobile":-1,"tv":1},"streams":2}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (26, '774', '\xdef82ca40dedd3ba24854a66b4a2e3cd', 4102444800000002, 'default', 'erin', '[{"type":"session_created","realm":"default","account":"erin","session":"LEMKK76OKQ7FQQVIY2XICGNYFY","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"device":{"label":"Television","class":"tv"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (27, '776', '\xdef82ca40dedd3ba24854a66b4a2e3cd', 4102444800000003, 'default', 'erin', '[{"type":"signin_refused","realm":"default","account":"erin","session":"XC2LFGRPT4G3ONTT74JO2RJWT3","at":"2100-01-01T00:00:00.000002Z","version":4102444800000003,"device":{"label":"Television","class":"tv"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (28, '778', '\x9ede177a22e8fb89cd6623bcb34f794a', 4102444800000001, 'default', 'frank', '[{"type":"session_created","realm":"default","account":"frank","session":"6GCHY5VD45KYKQX2A4FBSPFYEC","at":"2100-01-01T00:00:00Z","version":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (29, '779', '\x9ede177a22e8fb89cd6623bcb34f794a', 4102444800000002, 'default', 'frank', '[{"type":"session_rotated","realm":"default","account":"frank","session":"6GCHY5VD45KYKQX2A4FBSPFYEC","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (30, '782', '\x84f1b4883ac68ba141d55525f8bc535b', 4102444800000001, 'default', 'heidi', '[{"type":"session_created","realm":"default","account":"heidi","session":"DXCED5LSFEZHLVWS7ZDWFKWEJR","at":"2100-01-01T00:00:00Z","version":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');
INSERT INTO public.oneseat_events OVERRIDING SYSTEM VALUE VALUES (31, '784', '\x84f1b4883ac68ba141d55525f8bc535b', 4102444800000002, 'default', 'heidi', '[{"type":"session_ended","realm":"default","account":"heidi","session":"DXCED5LSFEZHLVWS7ZDWFKWEJR","at":"2100-01-01T00:00:00.000001Z","version":4102444800000002,"reason":"credentials_changed","actor":"heidi","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"}}]');


--
-- Data for Name: oneseat_meta; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.oneseat_meta VALUES (true, 'd047cd559673423f96372f233009ffd2', 4102444800000000, '0');


--
-- Data for Name: oneseat_migrations; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.oneseat_migrations VALUES (1, '0001_rosters.sql', '2026-11-28 05:31:51.429388+00');
INSERT INTO public.oneseat_migrations VALUES (2, '0002_views.sql', '2026-11-28 05:31:51.429388+00');


--
-- Data for Name: oneseat_rosters; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.oneseat_rosters VALUES ('\xba43a458e4efcefdd8694bbc18a3be77', 4102444800000001, NULL, 'default', '', '{"format":1,"realm":"default","account":"","epoch":4102444800000001}');
INSERT INTO public.oneseat_rosters VALUES ('\x6177288716836ee29f089b6a29a9abc5', 4102444800000005, '2100-01-15 00:00:00.000002+00', 'default', 'ada', '{"format":1,"realm":"default","account":"ada","seats":[{"id":"BIJCMHVV2HIRTJ2EYJSB7DZSNL","created":4102444800000002,"last_seen":4102444800000002,"device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"},"secret":"a7505d1a3e27afb50b8ddde17cd8415d9d83feefff71e868d80b09ab3567bf1f","epoch":4102444800000001}],"endings":[{"session":"DVKTU56DFXDLGFVJ55YHEAS7SY","reason":"displaced","at":4102444800000001,"by":"UBRJJFG4V3QR33U7NAT53W2VAF","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"by_device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"},"secret":"7b19b9abcaaeb74aa7c253e8b8a5380af19e578bba6c020e0a116a18c87a1245","mark":"c36a2f","used":4102444800000003},{"session":"UBRJJFG4V3QR33U7NAT53W2VAF","reason":"renewed","at":4102444800000002,"by":"BIJCMHVV2HIRTJ2EYJSB7DZSNL","device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"},"by_device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"},"secret":"2834057e316caefa3f2db48200d74f9318286c22e79c39ef218515bd75eaeeba","mark":"0664dc","used":4102444800000004}],"due":4103654400000002}');
INSERT INTO public.oneseat_rosters VALUES ('\xe15a979dde9162d56abe5e852e1c414b', 4102444800000003, '2100-01-31 00:00:00.000001+00', 'default', 'mallory', '{"format":1,"realm":"default","account":"mallory","endings":[{"session":"JCWODFJLD3AUVSHMSQC47VXY3P","reason":"account_blocked","at":4102444800000001,"actor":"support","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"secret":"be3ed81de9614f6d62ff63aa44b88d83d597ccc8b1a25e1a383dbb18af08546c","used":4102444800000002}],"block":{"since":4102444800000001,"until":5680281600000000,"actor":"support"},"due":4105036800000001}');
INSERT INTO public.oneseat_rosters VALUES ('\xac74822bf56397c0862be6a4fa6462cd', 4102444800000002, '2100-01-01 00:00:00.000001+00', 'default', 'eve', '{"format":1,"realm":"default","account":"eve","due":4102444800000001}');
INSERT INTO public.oneseat_rosters VALUES ('\xdef82ca40dedd3ba24854a66b4a2e3cd', 4102444800000003, '2100-01-15 00:00:00.000001+00', 'default', 'erin', '{"format":1,"realm":"default","account":"erin","seats":[{"id":"LEMKK76OKQ7FQQVIY2XICGNYFY","created":4102444800000001,"last_seen":4102444800000001,"device":{"label":"Television","class":"tv"},"secret":"202f972805acef1d062c6213d1d916755c4b3182e167bb4a4eeca523aeb33b49","epoch":4102444800000001}],"limits":{"total":3,"classes":{"mobile":-1,"tv":1},"streams":2},"revision":4102444800000001,"due":4103654400000001}');
INSERT INTO public.oneseat_rosters VALUES ('\x9ede177a22e8fb89cd6623bcb34f794a', 4102444800000002, '2100-01-15 00:00:00.000001+00', 'default', 'frank', '{"format":1,"realm":"default","account":"frank","seats":[{"id":"6GCHY5VD45KYKQX2A4FBSPFYEC","created":4102444800000000,"last_seen":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"secret":"b41b6efacd670547e98bc3baed1866e7e9d1a08ec9c777835ccc6fbe5d3497c7","previous":"f113391ed433d7db07af2ac058665dc16ad5e0d02e94a6a91cf9ac16696f3fee","rotated":4102444800000001,"epoch":4102444800000001}],"due":4103654400000001}');
INSERT INTO public.oneseat_rosters VALUES ('\x84f1b4883ac68ba141d55525f8bc535b', 4102444800000003, '2100-01-31 00:00:00.000001+00', 'default', 'heidi', '{"format":1,"realm":"default","account":"heidi","endings":[{"session":"DXCED5LSFEZHLVWS7ZDWFKWEJR","reason":"credentials_changed","at":4102444800000001,"actor":"heidi","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"secret":"4cfbe63c55910ed5eb8b87d7e54dd7eeaea442a5b359682775da1192de5942d1","used":4102444800000002}],"due":4105036800000001}');
INSERT INTO public.oneseat_rosters VALUES ('\x940763f350a773a7cd4a5da01c0f7570', 4102444800000002, NULL, 'over', '', '{"format":1,"realm":"over","account":"","epoch":4102444800000002}');
INSERT INTO public.oneseat_rosters VALUES ('\xa165f15d3b8670e89aa6fcbdf040c5aa', 4102444800000002, '2100-01-15 00:00:00.000001+00', 'over', 'ada', '{"format":1,"realm":"over","account":"ada","seats":[{"id":"HWAN3CWCMFWORJ3KU5BKZA7HMG","created":4102444800000001,"last_seen":4102444800000001,"device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"},"secret":"7f55a4d668cc71479b2ae11a59b47af485704c51e99fa90088821a2b07dc7785","epoch":4102444800000002}],"endings":[{"session":"WBEDBX4IHDAE5YYNBGNY3REWG2","reason":"realm_ended","at":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"secret":"3d9ecc5c03c5e1e2fc786335d2d249b02bbd9da74571ea7c342aa7ceaa6b9cf0"}],"due":4103654400000001}');
INSERT INTO public.oneseat_rosters VALUES ('\x2713abcf000ee55192ba3034ec0dc543', 4102444800000012, '2100-01-01 00:00:45.000005+00', 'default', 'grace', '{"format":1,"realm":"default","account":"grace","seats":[{"id":"SNIPPXZNMFFAHEV6GWVOYODA4F","created":4102444800000002,"last_seen":4102444800000002,"device":{"label":"Television","class":"tv"},"secret":"e6ae136e162b27377966179e58b774d6961fff5ec1eb83b943c0afc88a0f0c02","epoch":4102444800000001},{"id":"VJZE6WGBGIMEFJ24X26YOSAGX7","parent":"SNIPPXZNMFFAHEV6GWVOYODA4F","created":4102444800000005,"last_seen":4102444800000005,"device":{"label":"Television","class":"tv"},"device_id":"100a3c57b118a6298e8ea5a77e997f9fc712996b6515708b1e5ff031a97aa160","epoch":4102444800000001}],"endings":[{"session":"3QQR4LO6TKKU5NZ6PR2MA6XTSY","reason":"displaced","at":4102444800000003,"by":"VUMSYKFYKRAKGHUC6ZB466ZODR","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"by_device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"secret":"3dbe856ea252e24e26869c6bd53a60448ae95088e9e82efa13b336a6b1e923da","used":4102444800000009},{"session":"TX2TS4XBDFT5T4BSQL5DBHPSOJ","reason":"signed_out","at":4102444800000007,"by":"TX2TS4XBDFT5T4BSQL5DBHPSOJ","device":{"label":"Safari on iPhone","class":"mobile","ip":"198.51.100.0"},"secret":"85ef9fbbf6f2afc0b6938984e496a69dc20e64924cce252256dc92a870820e94","used":4102444800000010},{"session":"VUMSYKFYKRAKGHUC6ZB466ZODR","reason":"revoked","at":4102444800000008,"by":"SNIPPXZNMFFAHEV6GWVOYODA4F","actor":"grace","device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"by_device":{"label":"Television","class":"tv"},"secret":"5a4eb37d6e29a031bdb69bcc1f4c0fa0bf621239389b79cf96ea20d5d2761884","used":4102444800000011}],"due":4102444845000005}');
INSERT INTO public.oneseat_rosters VALUES ('\x14fc98920df37fc01b8a19364f5bb9ac', 4102444800000002, '2100-01-01 00:05:00.000001+00', 'default', 'dave', '{"format":1,"realm":"default","account":"dave","seats":[{"id":"HMJODSK2BPTJK6ABMOOSJEH6EL","created":4102444800000000,"last_seen":4102444800000000,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"secret":"a8dcbdd259e08b6578a028afc947abd69bf486a2b66ff7f606a7cc3629db7704","epoch":4102444800000001}],"pending":[{"secret":"5e4fcbc0f66db1ce7fb11bdeb79b68460ca3a8bc781afdfda659f29a3fd440c7","device_id":"0664dccdac8c07c270fcdf3ef4ec248e9a1007a8f2b91b86b207e668bc3269af","epoch":4102444800000001,"expires":4102445100000001}],"due":4102445100000001}');
INSERT INTO public.oneseat_rosters VALUES ('\xa8168e926143b85f43171ae5291b4881', 4102444800000001, NULL, 'observed', '', '{"format":1,"realm":"observed","account":"","epoch":4102444800000001}');
INSERT INTO public.oneseat_rosters VALUES ('\xcf7d4a68c63f59905aa7a4b491d1cb64', 4102444800000002, '2100-01-15 00:00:00+00', 'observed', 'ada', '{"format":1,"realm":"observed","account":"ada","seats":[{"id":"DBNAKPSP4C2XGA36WPAZM4JV5R","created":4102444800000000,"last_seen":4102444800000000,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"secret":"811081b5b398ccba366c3f30e3a8f835cc8e21bb17b0474de6fae2b7cef68a6a","epoch":4102444800000001,"observed":true},{"id":"QANW7TDOMPW6UZQ4CXKEZKJBEZ","created":4102444800000001,"last_seen":4102444800000001,"device":{"label":"Firefox on Linux","class":"desktop","ip":"192.0.2.0"},"secret":"d57ab4d8de2d37a3c414e5cf8f59d9ec6bad1a55b8de9d7b8c4aba421dafa494","epoch":4102444800000001}],"due":4103654400000000}');


--
-- Name: oneseat_events_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.oneseat_events_id_seq', 37, true);


--
-- Name: oneseat_events oneseat_events_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.oneseat_events
    ADD CONSTRAINT oneseat_events_pkey PRIMARY KEY (id);


--
-- Name: oneseat_meta oneseat_meta_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.oneseat_meta
    ADD CONSTRAINT oneseat_meta_pkey PRIMARY KEY (one);


--
-- Name: oneseat_migrations oneseat_migrations_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.oneseat_migrations
    ADD CONSTRAINT oneseat_migrations_pkey PRIMARY KEY (number);


--
-- Name: oneseat_rosters oneseat_rosters_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.oneseat_rosters
    ADD CONSTRAINT oneseat_rosters_pkey PRIMARY KEY (key);


--
-- Name: oneseat_events_account; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX oneseat_events_account ON public.oneseat_events USING btree (realm, account, id);


--
-- Name: oneseat_events_xid; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX oneseat_events_xid ON public.oneseat_events USING btree (xid, id);


--
-- Name: oneseat_rosters_account; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX oneseat_rosters_account ON public.oneseat_rosters USING btree (realm, account);


--
-- Name: oneseat_rosters_due; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX oneseat_rosters_due ON public.oneseat_rosters USING btree (realm, due) WHERE (due IS NOT NULL);


--
-- Name: oneseat_rosters_erased; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX oneseat_rosters_erased ON public.oneseat_rosters USING btree (version) WHERE (roster IS NULL);


--
-- PostgreSQL database dump complete
--

\unrestrict 5Y6XyWM5xZd6y9CpjqhSbtLtWtpwysv5pH4LIf9vw6LQLmUsYoF3gTu9zgBAKKe

