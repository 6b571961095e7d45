-- Who watches what (RFC 6665).

create table subscriptions (
    call_id text not null,
    local_tag text not null,
    package text not null,
    event_id text not null,
    expires double precision not null,
    details text not null,
    primary key (call_id, local_tag, package, event_id)
);
