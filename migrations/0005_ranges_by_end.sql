-- What a search for later or larger than a value looks at: the index on the lower end has what is short, these have the
-- rest, which is little in most data. Periods and imprecise dates by their end:
create index index_date_long on index_date (param, hi) where hi > lo + 86400000;
-- Ranges, and quantities with a comparator, by their upper end:
create index index_quantity_range on index_quantity (param, high) where low is distinct from high;
