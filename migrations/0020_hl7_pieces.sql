-- Pieces of messages that their senders have cut (HL7 v2 continuation): which message a later piece's MSH-14 means.
create table hl7_piece (
  sender text collate "C" not null,
  -- DSC-1 of the piece, MSH-14 of the one that continues it.
  pointer text collate "C" not null,
  message_id bigint not null references hl7_message (id) on delete cascade,
  primary key (sender, pointer)
);
create index hl7_piece_message on hl7_piece (message_id);
