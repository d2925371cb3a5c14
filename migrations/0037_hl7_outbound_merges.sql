-- A message that names several patients (a merge) has a lane of each. It goes when what waits in any of them before it has gone, and
-- what comes after it in any of them waits for it. Null: it has the one lane. The queue's index yields them as it yields the lane.
alter table hl7_outbound add column other_lanes int[];
create index hl7_outbound_lanes on hl7_outbound (destination, (id + 0)) include (id, lane, other_lanes) where state = 'queued';
drop index hl7_outbound_queued;
alter index hl7_outbound_lanes rename to hl7_outbound_queued;
