-- Emails and Kafka have hosts as well, so that a mail server that hangs does not take all places (subscriptions/registration.ts).
update subscriber set host = 'smtp:' where channel = 'email' and host = '';
update subscriber set host = 'kafka:' where channel = 'kafka' and host = '';
