-- A node with users, registrations and call records.
-- bytea is PostgreSQL's name for octets; SQLite stores octets under any.

create table configuration (
    id integer primary key,
    version bigint not null
);
insert into configuration (id, version) values (1, 0);

create table audit (
    version bigint not null,
    item integer not null,
    at double precision not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail text not null,
    primary key (version, item)
);

create table users (
    name text primary key,
    sealed bytea not null,
    first_name text not null,
    last_name text not null,
    email text not null,
    enabled boolean not null,
    extras text not null,
    secrets bytea not null
);

create table aliases (
    alias text primary key,
    user_name text not null references users (name) on delete cascade,
    place integer not null
);
create index aliases_of_user on aliases (user_name);

create table bindings (
    user_name text not null,
    contact text not null,
    q double precision not null,
    expires double precision not null,
    call_id text not null,
    cseq bigint not null,
    path text not null,
    flow text not null,
    instance text not null,
    instrument text not null,
    user_agent text not null,
    registered double precision not null,
    primary key (user_name, contact)
);

create table call_records (
    call_id text not null,
    from_tag text not null,
    caller text not null,
    callee text not null,
    dialed text not null,
    started double precision not null,
    connected double precision,
    ended double precision,
    result text not null,
    failure_code integer not null,
    failure_reason text not null,
    duration double precision,
    version bigint not null,
    primary key (call_id, from_tag, started)
);
create index call_records_started on call_records (started);
create index call_records_caller on call_records (caller, started);
create index call_records_callee on call_records (callee, started);
create index call_records_unfinished on call_records (started) where ended is null;

create table journal_position (
    id integer primary key,
    segment bigint not null,
    byte_offset bigint not null
);

create table node_values (
    name text primary key,
    value text not null
);
