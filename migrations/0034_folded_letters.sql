-- Letters whose marks Unicode does not take apart fold as well, as fhir-model/search/fold.ts has them: Sorensen finds Sørensen,
-- Strasse finds Straße. What is stored is brought up to that; :exact keeps what was written. The tokens of texts beside codes
-- stay: the term leads to them. A million strings take a second.
update index_string set exact = coalesce(exact, value),
  value = translate(replace(replace(replace(replace(value, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'øłđðħŧıς', 'olddhtiσ')
where value ~ '[ßæœþøłđðħŧıς]';

update term set
  value = translate(replace(replace(replace(replace(value, 'ß', 'ss'), 'æ', 'ae'), 'œ', 'oe'), 'þ', 'th'), 'øłđðħŧıς', 'olddhtiσ')
where kind = 't' and value ~ '[ßæœþøłđðħŧıς]';
