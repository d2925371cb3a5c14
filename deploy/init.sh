#!/bin/sh
# Writes what docker-compose.yml needs and the repository must not hold: .env (random passwords), a private certificate
# authority, the gateway's and the broker's certificates, a client certificate for one MLLP sender, and the password
# files of the gateway. Leaves alone what is there already. Needs openssl only.
#   deploy/init.sh [host name or address of this machine]      default: that of BASE_URL in .env, or localhost
# To renew certificates: rm deploy/secrets/*/tls.key, run it again, restart gateway and mosquitto. The folders stay: they hold the
# accounts of the gateway.
set -eu
cd "$(dirname "$0")"
umask 077
host=${1:-$(sed -n -e 's#^BASE_URL=https://\[\([^]]*\)\].*#\1#p' -e 's#^BASE_URL=https://\([^[/:][^/:]*\).*#\1#p' .env 2>/dev/null || true)}
host=${host:-localhost}
host=${host#\[}
host=${host%]}
# An address is no DNS name: clients look for it among the addresses of a certificate only (RFC 9110, 4.3.5). In a URL one of IPv6
# stands in brackets. No name ends in a number (RFC 1123, 2.1).
inUrl=$host
case $host in
  *:*) kind=IP; inUrl="[$host]" ;;
  *[!0-9.]*) kind=DNS ;;
  *) kind=IP ;;
esac
days=825

random() { openssl rand -hex 24; }

if [ ! -f .env ]; then
  while IFS= read -r line; do
    case $line in
      *_PASSWORD=) printf '%s%s\n' "$line" "$(random)" ;;
      BASE_URL=*) printf 'BASE_URL=https://%s:8443/fhir/R4\n' "$inUrl" ;;
      *) printf '%s\n' "$line" ;;
    esac
  done < .env.example > .env.new
  mv .env.new .env
  echo "wrote deploy/.env"
fi

mkdir -p secrets/ca secrets/gateway secrets/mosquitto secrets/mllp-client

if [ ! -f secrets/ca/ca.key ]; then
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj "/CN=Cerebra private CA" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" \
    -keyout secrets/ca/ca.key -out secrets/ca/ca.crt 2>/dev/null
  echo "wrote deploy/secrets/ca (keep ca.key off this machine once done)"
fi

# certificate FOLDER COMMON-NAME USAGE SUBJECT-ALT-NAME
certificate() {
  [ -f "secrets/$1/tls.key" ] && return 0
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=$2" \
    -keyout "secrets/$1/tls.key" -out "secrets/$1/tls.csr" 2>/dev/null
  printf 'extendedKeyUsage=%s\nsubjectAltName=%s\n' "$3" "$4" > "secrets/$1/tls.ext"
  openssl x509 -req -in "secrets/$1/tls.csr" -CA secrets/ca/ca.crt -CAkey secrets/ca/ca.key -CAcreateserial \
    -days "$days" -extfile "secrets/$1/tls.ext" -out "secrets/$1/tls.crt" 2>/dev/null
  rm "secrets/$1/tls.csr" "secrets/$1/tls.ext"
  cp secrets/ca/ca.crt "secrets/$1/ca.crt"
  echo "wrote deploy/secrets/$1"
}
names="DNS:localhost,IP:127.0.0.1"
[ "$host" = localhost ] || names="$kind:$host,$names"
certificate gateway "$host" serverAuth "$names"
certificate mosquitto "$host" serverAuth "$names,DNS:mosquitto"
certificate mllp-client "mllp sender" clientAuth "DNS:mllp-sender"

# Two password files: `users` for the FHIR API, `admins` for /admin/. Add a line with:
#   printf 'name:%s\n' "$(openssl passwd -apr1)" >> deploy/secrets/gateway/users
# nginx hashes at every request: apr1 takes about 0.3 ms, SHA-512-crypt (-6) 3.2 ms, which would cap the API near
# 300 requests a second a core. The cheaper hash is no loss while passwords are 192 random bits, as here.
for file in users admins; do
  [ -f "secrets/gateway/$file" ] && continue
  name=${file%s}
  password=$(random)
  printf '%s:%s\n' "$name" "$(openssl passwd -apr1 "$password")" > "secrets/gateway/$file"
  # Shown once and kept nowhere.
  echo "gateway: name '$name', password $password"
done

# nginx workers and mosquitto read these as users of their own; the folder above them stays closed to others.
chmod 755 secrets/gateway secrets/mosquitto
chmod 644 secrets/gateway/users secrets/gateway/admins secrets/*/ca.crt secrets/*/tls.crt
