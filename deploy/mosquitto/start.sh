#!/bin/sh
# Sets the server's password (devices keep theirs) and gives the broker's user its own copy of the key. Add a device:
#   docker compose exec mosquitto mosquitto_passwd -b /mosquitto/data/passwd <device id> <password>
#   docker compose kill -s HUP mosquitto
set -eu
umask 077
[ -f /mosquitto/data/passwd ] || : > /mosquitto/data/passwd
mosquitto_passwd -b /mosquitto/data/passwd cerebra "$MQTT_PASSWORD"
cp /mosquitto/secrets/tls.key /mosquitto/data/tls.key
chown -R mosquitto:mosquitto /mosquitto/data
exec mosquitto -c /mosquitto/config/mosquitto.conf
