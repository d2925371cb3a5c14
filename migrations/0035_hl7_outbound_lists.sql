-- Delivered messages of a destination are listed by the same index as those set aside: by the primary key a quiet
-- destination's list read everything of the busy ones (seen: 200,000 rows for one page).
create index hl7_outbound_settled on hl7_outbound (destination, state, (id + 0)) where state <> 'queued';
drop index hl7_outbound_set_aside;
