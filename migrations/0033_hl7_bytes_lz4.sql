-- The bytes of messages were compressed by pglz: 1.5 to 4 % of PostgreSQL's processor time for a message. Those that come
-- from now on are compressed by lz4, as the bodies of resources are; what is stored is read as before.
alter table hl7_message alter column raw set compression lz4;
