-- Whatever is configured beside users: one row a thing, its fields as JSON.
-- What must be unique or must exist is in tables of its own.

create table entities (
    kind text not null,
    name text not null,
    id bigint not null,
    place double precision not null,
    fields text not null,
    primary key (kind, name)
);

create table entity_names (
    dialed text primary key,
    kind text not null,
    name text not null,
    foreign key (kind, name) references entities (kind, name) on delete cascade
);
create index entity_names_of on entity_names (kind, name);

create table entity_links (
    kind text not null,
    name text not null,
    field text not null,
    target_kind text not null,
    target text not null,
    primary key (kind, name, field, target_kind, target),
    foreign key (kind, name) references entities (kind, name) on delete cascade
);
create index entity_links_to on entity_links (target_kind, target);

-- Numbers of rules and gateways are in call records, so none is given twice.
alter table configuration add column next_id bigint not null default 1;

-- What a change can be undone with: the values before and after it, as JSON.
alter table audit add column kind text not null default '';
alter table audit add column old text;
alter table audit add column new text;

-- Which versions are still named.
create index call_records_version on call_records (version);
