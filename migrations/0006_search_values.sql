-- More ways to search values: by a part of a string, by texts beside codes, in narratives, and in other units.

-- :contains. 5 us and 44 bytes a string; trusted, so the owner of the database may create it.
create extension if not exists pg_trgm;
create index index_string_trgm on index_string using gin (value gin_trgm_ops);

-- _text. The words are folded and cut by the server, so that no text search configuration is asked.
create table index_narrative (
  rid bigint not null,
  words tsvector not null
);
create index on index_narrative using gin (words);
create index on index_narrative (rid);

-- What tokens can be looked up by: displays and codes by a part of them, units by what they measure. Not of one resource:
-- a term is written by those that bring it first, perhaps by several at once, and stays when they go.
create table term (
  rid bigint not null,             -- a resource that brought it
  token bigint not null,
  param integer not null,
  kind "char" not null,            -- t text beside codes and identifiers, c code, u unit
  value text collate "C" not null, -- folded text, code in lower case, unit as it is
  system text collate "C" not null
);
create index on term (kind, param, left(value, 100));

-- _content: the words of a body's values, lower case, without accents, one space before and after each; names of elements
-- and tags are none. ASCII bodies, which are most, are not normalised.
create function content_words(body text) returns text language sql immutable parallel safe strict as $$
  select regexp_replace(
    ' ' || lower(regexp_replace(
      case when octet_length(body) = char_length(body) then stripped.text
        else regexp_replace(normalize(stripped.text, nfkd), '[\u0300-\u036f]', '', 'g') end,
      '</?[a-z][^<>]*>', ' ', 'gi')) || ' ',
    '[\u0001-/:-@\[-`{-\u00bf\u2000-\u206f\u3000-\u303f]+', ' ', 'g')
  from (select regexp_replace(regexp_replace(body, '"[A-Za-z_][A-Za-z0-9_]*":', ' ', 'g'),
    '\\(?:[nrtbf]|u[0-9a-fA-F]{4})', ' ', 'g') as text) stripped
$$;
